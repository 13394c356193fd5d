"""``correlator listen``: notices from a Kafka, to the terminal, a pipe or a folder."""

from __future__ import annotations

import signal
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click
import orjson

from correlator.client.begin import Begin
from correlator.client.choice import Choice, predicate_of_notices
from correlator.client.connection import Connection
from correlator.client.folder import NoticeFolder
from correlator.client.listener import Listener, Slot
from correlator.client.newest import Newest
from correlator.client.notice import Notice
from correlator.errors import ConfigurationError
from correlator.service.commands.filters import filter_named
from correlator.service.commands.options import UtcTime
from correlator.service.listening import Progress
from correlator.service.settings import Settings

_SAVE_S = 1.0
"""What is read in a second is lost at most when the machine fails, and read again then [s]."""


class _Begin(click.ParamType):
    name = "earliest|latest|TIME|OFFSET"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Begin:
        if isinstance(value, Begin):
            return value
        try:
            return Begin.of(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class _Until(UtcTime):
    name = "end|TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return "end" if value == "end" else super().convert(value, param, ctx)


@click.command("listen")
@click.argument("topics", metavar="[TOPIC]...", nargs=-1)
@click.option(
    "--from", "begin", type=_Begin(), default="latest", show_default=True, help="Where to begin."
)
@click.option("--until", type=_Until(), help="Stop at the end as it is now, or at a time.")
@click.option("--count", type=click.IntRange(min=1), help="Stop after so many notices.")
@click.option("--filter", "where", help="Only what a filter, or a preset, lets pass.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder that gets TOPIC.jsonl, and in which a later run goes on.",
)
@click.option("--each", is_flag=True, help="With --out a file a notice.")
@click.option("--broker", help="HOST:PORT; default: CORRELATOR_READER_SERVERS.")
@click.option("--username", help="Who we are there; the password is in CORRELATOR_READER_PASSWORD.")
def listen(
    topics: tuple[str, ...],
    begin: Begin,
    until: float | str | None,
    count: int | None,
    where: str | None,
    out: Path | None,
    each: bool,
    broker: str | None,
    username: str | None,
) -> None:
    """Read notices of TOPICs, coincidence.all if none is named, until it is interrupted.

    Each notice once, the highest revision of a key wins. On a pipe a JSON document a line; on a
    terminal a line of words. With --out a run goes on where the last one stopped.

    Example: correlator listen coincidence.gw --from earliest --filter grandma-gw --out notices
    """
    if each and out is None:
        raise click.UsageError("--each needs --out")
    names = topics or ("coincidence.all",)
    choice, newest = _choice(where), Newest()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with ExitStack() as stack:
        folder = None
        if out is not None:
            folder = NoticeFolder(out, one_file_each=each)
            stack.callback(folder.close)
            folder.remember(newest, choice)
        known = {} if folder is None else folder.positions
        connection = _connection(broker, username)
        listener = stack.enter_context(Listener(connection, names, begin, known))
        progress = stack.enter_context(Progress(names))
        run = _Run(listener, choice, newest, folder, progress, count, until)
        run.save()
        try:
            run.until_done()
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
        finally:
            run.save()
    click.echo(f"{run.n_notices} notices", err=True)


class _Run:
    """One run of the command: what it has and how far it is."""

    def __init__(
        self,
        listener: Listener,
        choice: Choice,
        newest: Newest,
        folder: NoticeFolder | None,
        progress: Progress,
        count: int | None,
        until: float | str | None,
    ) -> None:
        self._listener, self._choice, self._newest = listener, choice, newest
        self._folder, self._progress = folder, progress
        self._count, self._until = count, until
        self._positions = dict(listener.positions)
        self._over: set[Slot] = set()
        """Partitions that are read up to the time at which it ends."""
        self._saved_s = time.monotonic()
        self._n_refused = 0
        self.n_notices = 0

    def until_done(self) -> None:
        while not self._is_done():
            for notice in self._listener.take():
                if not self._handled(notice):
                    return
            # Those too of which nothing came of it: records that are no notices.
            read = self._listener.positions.items()
            self._positions |= {slot: at for slot, at in read if slot not in self._over}
            for refusal in self._listener.refused[self._n_refused :]:
                click.echo(f"passed over: {refusal}", err=True)
            self._n_refused = len(self._listener.refused)
            if time.monotonic() - self._saved_s > _SAVE_S:
                self.save()
            self._progress.show(self._listener, self.n_notices)

    def save(self) -> None:
        if self._folder is not None:
            self._folder.save(self._positions)
        self._saved_s = time.monotonic()

    def _handled(self, notice: Notice) -> bool:
        """Write a notice; whether the next one is wanted, too."""
        slot = notice.topic, notice.partition
        if isinstance(self._until, float) and notice.time_unix_s >= self._until:
            self._over.add(slot)
        if slot in self._over:
            return True
        chosen = self._choice.judged(notice) if self._newest.takes(notice) else None
        if chosen is not None:
            is_filtered = self._choice.lets_pass is not None
            if self._folder is not None:
                self._folder.write([chosen], with_passes=is_filtered)
            else:
                _say(chosen, with_passes=is_filtered)
            self.n_notices += 1
        # Last: an interrupt before this lets the next run read it again, and drop what it has.
        self._positions[slot] = notice.offset + 1
        return self._count is None or self.n_notices < self._count

    def _is_done(self) -> bool:
        if self._until == "end":
            return self._listener.is_at_first_end
        if not isinstance(self._until, float):
            return False
        left = self._listener.positions.keys() - self._over
        return not left or (
            time.time() >= self._until and not any(map(self._listener.behind, left))
        )


def _choice(where: str | None) -> Choice:
    if where is None:
        return Choice.of(None)
    return Choice(predicate_of_notices(filter_named(where)), set())


def _say(notice: Notice, *, with_passes: bool) -> None:
    if sys.stdout.isatty():
        taken_back = "" if notice.passes else "taken back: "
        click.echo(f"{notice.document['alert_datetime']} {taken_back}{notice.summary}")
        return
    document = notice.document | ({"passes": notice.passes} if with_passes else {})
    sys.stdout.buffer.write(orjson.dumps(document) + b"\n")
    sys.stdout.buffer.flush()


def _connection(broker: str | None, username: str | None) -> Connection:
    settings = Settings()
    servers = broker or settings.reader_servers
    if servers is None and settings.broker.startswith("kafka://"):
        servers = settings.broker
    if servers is None:
        raise ConfigurationError("say --broker HOST:PORT, or set CORRELATOR_READER_SERVERS")
    password = settings.reader_password
    ca_file = settings.reader_ca_file
    return Connection(
        servers.replace(";", ",").replace("kafka://", ""),
        username or settings.reader_username,
        None if password is None else password.get_secret_value(),
        settings.reader_security,
        None if ca_file is None else str(ca_file),
    )
