"""``correlator ingest vtp``: VOEvents from the VOEvent network, and our own to it."""

from __future__ import annotations

import os
import re
import socket
import threading
import time
from contextlib import ExitStack
from dataclasses import replace
from importlib.util import find_spec
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Literal

import click
import structlog
from lxml import etree

from correlator.audience import audience_of
from correlator.errors import ConfigurationError
from correlator.service.commands.options import stream_audience_option
from correlator.service.edges import run_edge
from correlator.service.settings import Settings
from correlator.service.telemetry import log_to_stderr
from streams.admin import BrokerError, declare, servers_of
from streams.edge_outbox import Outbox
from streams.spool import Spool
from streams.spool_drain import SpoolDrain
from streams.topics import DEAD_LETTER, HEARTBEAT, NOTICES_RAW, VOEVENTS
from streams.vtp.child import Child, listen
from streams.vtp.edge import VtpEdge
from streams.vtp.outlet import Outlet
from streams.vtp.settings import LOOPBACK, BrokerSettings

log = structlog.get_logger(__name__)

_TOPICS = (NOTICES_RAW, VOEVENTS, HEARTBEAT, DEAD_LETTER)

DEFAULT_PORT = 8099
"""Port of a VTP broker for its subscribers, as Comet has it."""

_DECLARE_EVERY_S = 10.0
"""How often the topics are asked for while our broker is away [s]: packets come meanwhile."""


class Remote(click.ParamType):
    """``HOST[:PORT]`` of a broker."""

    name = "remote"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        """Host and port of the words."""
        if isinstance(value, tuple):
            return value
        host, _, port = str(value).rpartition(":") if ":" in value else (value, "", DEFAULT_PORT)
        try:
            number = int(port)
        except ValueError:
            number = 0
        if not host or not 0 < number < 65536:
            self.fail(f"{value}: must be HOST[:PORT]", param, ctx)
        return host.strip("[]"), number


class Network(click.ParamType):
    """A network of IP addresses, as text."""

    name = "network"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The network in its usual form."""
        try:
            return str(ip_network(value, strict=False))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Ivorn(click.ParamType):
    """The IVORN of a broker: ``ivo://AUTHORITY/RESOURCE#LOCAL``."""

    name = "ivorn"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The IVORN as it is."""
        if not re.fullmatch(r"ivo://[^#\s]+(#\S+)?", str(value)):
            self.fail(f"{value}: must be ivo://AUTHORITY/RESOURCE#LOCAL", param, ctx)
        return str(value)


class XPath(click.ParamType):
    """An XPath expression."""

    name = "xpath"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The expression as it is."""
        try:
            etree.XPath(value)
        except etree.XPathError as error:
            self.fail(f"{value}: must be an XPath expression: {error}", param, ctx)
        return str(value)


_PORT = click.IntRange(0, 65535)


@click.command("vtp")
@click.option(
    "--remote",
    "remotes",
    type=Remote(),
    multiple=True,
    metavar="HOST:PORT",
    help="A broker to subscribe to.  [port: 8099]",
)
@click.option("--receive", type=_PORT, metavar="PORT", help="Listen for authors; 0: any port.")
@click.option(
    "--author",
    "authors",
    type=Network(),
    multiple=True,
    metavar="NETWORK",
    help="Who may send to us.  [default: this machine]",
)
@click.option("--broadcast", type=_PORT, metavar="PORT", help="Send our coincidences from there.")
@click.option(
    "--subscriber",
    "subscribers",
    type=Network(),
    multiple=True,
    metavar="NETWORK",
    help="Who may subscribe.  [default: this machine]",
)
@click.option("--relay", is_flag=True, help="Broadcast also what others send.")
@click.option(
    "--bind",
    metavar="ADDRESS",
    help="Address of both ports.  [default: loopback while nobody else is let in]",
)
@click.option(
    "--filter",
    "filters",
    type=XPath(),
    multiple=True,
    metavar="XPATH",
    help="Take of the remotes what one of these is true of.",
)
@stream_audience_option
@click.option("--local-ivo", "local_ivorn", type=Ivorn(), help="Who we are to other brokers.")
@click.option(
    "--spool",
    type=click.Path(path_type=Path),
    default=Path("data/spool/vtp.sqlite"),
    show_default=True,
    help="File of the packets that wait for Kafka.",
)
@click.option(
    "--eventdb",
    type=click.Path(path_type=Path),
    default=Path("data/vtp"),
    show_default=True,
    help="Folder that remembers what came before.",
)
@click.option("--group", help="Consumer group of the broadcast.  [default: APP-vtp]")
@click.option(
    "--from",
    "begin",
    type=click.Choice(["earliest", "latest"]),
    default="earliest",
    show_default=True,
    help="Where a group begins that has never read.",
)
@click.option("--name", help="Name of this process in heartbeats.")
@click.option(
    "--replication",
    type=click.IntRange(min=1),
    help="Copies of a topic that is missing.  [default: 3, or as many as there are brokers]",
)
def vtp(
    remotes: tuple[tuple[str, int], ...],
    receive: int | None,
    authors: tuple[str, ...],
    broadcast: int | None,
    subscribers: tuple[str, ...],
    relay: bool,
    bind: str | None,
    filters: tuple[str, ...],
    audience: tuple[str, ...],
    local_ivorn: str | None,
    spool: Path,
    eventdb: Path,
    group: str | None,
    begin: Literal["earliest", "latest"],
    name: str | None,
    replication: int | None,
) -> None:
    """Take VOEvents from the VOEvent network by Comet, and broadcast our coincidences there.

    Example: correlator ingest vtp --remote voevent.example.org:8099 --broadcast 8099
    """
    log_to_stderr(verbose=True)
    settings = Settings()
    if not settings.broker.startswith("kafka://"):
        raise ConfigurationError(f"broker {settings.broker}: an edge needs kafka://HOST:PORT")
    if not remotes and receive is None and broadcast is None:
        raise click.UsageError("one of --remote, --receive and --broadcast is needed")
    if relay and audience:
        raise click.UsageError("--relay sends on to everybody what --audience keeps for some")
    if find_spec("comet") is None:
        raise ConfigurationError("Comet is not installed: it needs Python before 3.14")
    servers = servers_of(settings.broker)
    comet = BrokerSettings(
        local_ivorn=local_ivorn or f"{settings.author_ivorn}#vtp",
        author_ivorn=settings.author_ivorn,
        spool=str(spool),
        seen=str(eventdb / "seen.sqlite"),
        remotes=remotes,
        filters=filters,
        authors=authors or LOOPBACK,
        subscribers=subscribers or LOOPBACK,
        is_relay=relay,
        audience=audience_of(audience),
    )
    with ExitStack() as stack:
        doors = _open_doors(stack, comet, receive, broadcast, bind)
        fds = {what: door.fileno() for what, door in doors.items()}
        comet = replace(
            comet,
            receive_fd=fds.get("receive"),
            broadcast_fd=fds.get("broadcast"),
            own_fd=fds.get("own"),
        )
        outlet = None
        if "own" in doors:
            address = doors["own"].getsockname()
            reader = group or f"{settings.app_id}-vtp"
            outlet = Outlet(servers, reader, begin, address, lambda: Outbox(servers))
        _declare_in_background(servers, replication)
        packets = Spool(spool)
        stack.callback(packets.close)
        outbox = Outbox(servers)
        edge = VtpEdge(
            name or f"edge-vtp-{socket.gethostname()}-{os.getpid()}",
            Child(comet, list(doors.values())),
            SpoolDrain(packets, outbox),
            outbox,
            outlet,
        )
        run_edge(edge)


def _open_doors(
    stack: ExitStack,
    comet: BrokerSettings,
    receive: int | None,
    broadcast: int | None,
    bind: str | None,
) -> dict[str, socket.socket]:
    """The listening sockets that are asked for: ``receive``, ``broadcast`` and ``own``."""
    wanted: dict[str, tuple[str, int]] = {}
    if receive is not None:
        wanted["receive"] = bind or _address_for("--author", comet.authors), receive
    if broadcast is not None:
        wanted["broadcast"] = bind or _address_for("--subscriber", comet.subscribers), broadcast
        wanted["own"] = "127.0.0.1", 0
    doors = {}
    for what, (host, port) in wanted.items():
        doors[what] = stack.enter_context(listen(host, port))
        log.info("vtp_listens", what=what, address=host, port=doors[what].getsockname()[1])
    return doors


def _address_for(option: str, networks: tuple[str, ...]) -> str:
    """Loopback when it is enough for those who are let in, else every address."""
    found = [ip_network(each) for each in networks]
    if any(each.prefixlen == 0 for each in found):
        log.warning("everybody_is_let_in", option=option, networks=networks)
    return "127.0.0.1" if all(each.is_loopback for each in found) else "0.0.0.0"  # noqa: S104


def _declare_in_background(servers: str, replication: int | None) -> None:
    """Make the topics that are missing, as soon as the broker answers."""

    def work() -> None:
        while True:
            try:
                declare(servers, _TOPICS, replication)
            except BrokerError as error:
                log.warning("topics_not_declared", error=str(error))
                time.sleep(_DECLARE_EVERY_S)
            else:
                return

    threading.Thread(target=work, name="declare", daemon=True).start()
