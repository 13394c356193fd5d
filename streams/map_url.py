"""Which URLs and which addresses a sky map may be fetched from.

A URL comes out of a packet, so anybody may have written it. Nothing is asked of a host that is not
on the list, and nothing of an address that is not one of the public internet.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection
from urllib.parse import urljoin

from correlator.errors import CorrelatorError

MAP_HOSTS = (
    "gcn.gsfc.nasa.gov",
    "gcn.nasa.gov",
    "gracedb.ligo.org",
    "heasarc.gsfc.nasa.gov",
    "opendata.km3net.de",
    "roc-2.icecube.wisc.edu",
    "roc.icecube.wisc.edu",
)
"""Hosts that real notices name (reference notices 2 to 7)."""

MAX_URL_LENGTH = 1_000

_CHARACTERS = re.compile(r"(?:[A-Za-z0-9\-._~:/?@!$&'()*+,;=\[\]]|%[0-9A-Fa-f]{2})*")
_SECURE, _PLAIN = "https://", "http://"

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_UNICAST = ipaddress.ip_network("2000::/3")
_SPECIAL = tuple(
    map(
        ipaddress.ip_network,
        ("192.0.0.0/24", "192.88.99.0/24", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"),
    )
)
"""What the standard library of some Python releases takes for public, and the registry of IANA for
special: protocols, tunnels that stand for an IPv4 address, documentation (RFC 6890)."""


class MapFetchError(CorrelatorError):
    """A sky map was not fetched.

    Parameters
    ----------
    url
        Where it was to come from.
    rule
        The rule that is broken, in words.
    value
        The offending value.
    """

    is_final = False
    """Whether a further try is of no use."""

    def __init__(self, url: str, rule: str, value: object = None) -> None:
        self.url = url
        self.rule = rule
        self.value = value
        said = "" if value is None else f", got {str(value)[:120]!r}"
        super().__init__(f"{url[:200]!r}: {rule}{said}")


class MapRefusedError(MapFetchError):
    """Its URL, its host or its server's answer is one that is not taken, now or later."""

    is_final = True


class MapAddressError(MapFetchError):
    """Its host's name leads to an address that is not public; nothing was sent there."""


class MapNotThereError(MapFetchError):
    """It is not there yet, or its server is away."""


class NoMapError(MapFetchError):
    """What is there is no sky map; a file that is being written is none, either."""


def checked_url(url: str, hosts: Collection[str]) -> str:
    """The URL as it is asked for, always by https.

    Real notices of GCN classic spell ``http://``: the same file is asked for by https, and nothing
    is sent in the clear.

    Raises
    ------
    MapRefusedError
        Another scheme, a host that is not on the list to the letter, another port, a user.
    """
    secure = _SECURE + url.removeprefix(_PLAIN) if url.startswith(_PLAIN) else url
    return _checked(url, secure, hosts)


def checked_redirect(url: str, location: str, hosts: Collection[str]) -> str:
    """Where a redirect leads, by the same rules; one to ``http://`` is refused.

    Raises
    ------
    MapRefusedError
        As :func:`checked_url`.
    """
    try:
        target = urljoin(url, location)
    except ValueError:
        raise MapRefusedError(url, "a redirect must lead to a URL", location) from None
    return _checked(target, target, hosts)


def _checked(said: str, url: str, hosts: Collection[str]) -> str:
    if len(url) > MAX_URL_LENGTH:
        raise MapRefusedError(said, f"a URL has at most {MAX_URL_LENGTH} characters", len(url))
    if not url.startswith(_SECURE):
        raise MapRefusedError(said, "a sky map is fetched by https", url.partition(":")[0])
    rest = url.removeprefix(_SECURE)
    if _CHARACTERS.fullmatch(rest) is None:
        raise MapRefusedError(said, "a URL has the characters of RFC 3986, and no fragment")
    authority = re.split(r"[/?]", rest, maxsplit=1)[0]
    if "@" in authority:
        raise MapRefusedError(said, "the URL of a sky map names no user")
    host = authority.removesuffix(":443")
    if host not in hosts:
        # Also other ports, IP addresses, trailing dots, capitals: the list has none of them.
        raise MapRefusedError(said, "the host of a sky map must be on the list of hosts", authority)
    path = rest[len(authority) :]
    return f"{_SECURE}{host}{path if path.startswith('/') else '/' + path}"


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet, whatever it is wrapped in.

    Loopback, private, link-local (where clouds keep their credentials), shared, multicast, reserved
    and unspecified addresses are not, nor is an IPv6 address that stands for such an IPv4 one.
    """
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        wrapped = ip.ipv4_mapped
        if ip in _NAT64:
            wrapped = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if wrapped is not None:
            return is_public(str(wrapped))
        if ip not in _UNICAST or ip.scope_id is not None:
            return False
    if any(ip in network for network in _SPECIAL):
        return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified)
