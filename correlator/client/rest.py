"""The rows of the REST interface, page after page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from http.client import HTTPException
from pathlib import Path
from time import sleep
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

import orjson

from correlator.client.errors import ClientError

if TYPE_CHECKING:
    from astropy.table import Table

Row = dict[str, Any]

_WAIT_S = 60.0
"""Silence after which an answer is not waited for any longer [s]."""

_LONGEST_PAUSE_S = 60.0
_MOST_TRIES = 5

_PART_BYTES = 2**20


class _Here(HTTPRedirectHandler):
    """Follows nothing: a redirect would carry the token elsewhere."""

    def redirect_request(self, *_: Any) -> None:
        return None


_OPENER = build_opener(_Here)


class Client:
    """The interface ``/api/v1`` of a service.

    Parameters
    ----------
    url
        Of the service: ``http://127.0.0.1:8000``.
    token
        The secret of `correlator tokens create`; None for what is public.

    Raises
    ------
    ValueError
        The URL is none of the web.
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        if urlsplit(url).scheme not in ("http", "https"):
            raise ValueError(f"url {url!r}: expected http://... or https://...")
        self._base = f"{url.rstrip('/')}/api/v1"
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}

    def items(self, noun: str, limit: int | None = None, **query: Any) -> Iterator[Row]:
        """Rows of a list, in its order, to the end or up to a limit.

        Parameters
        ----------
        noun
            ``coincidences``, ``events``, ``notices``, ``alerts``, ``objects``, ``targets`` ...
        query
            Parameters of the list, as ``since``, ``until``, ``filter``, ``event``; those that are
            None are left out.

        Raises
        ------
        ClientError
            The service refuses, or does not answer.
        """
        left, cursor = limit, None
        while left is None or left > 0:
            asked = query | {"limit": 1000 if left is None else min(1000, left), "cursor": cursor}
            page = self.get(noun, **asked)
            yield from page["items"]
            cursor = page["next"]
            left = None if left is None else left - len(page["items"])
            if cursor is None:
                return

    def coincidences(self, **query: Any) -> Iterator[Row]:
        """Revisions of coincidences: :meth:`items` of them."""
        return self.items("coincidences", **query)

    def events(self, **query: Any) -> Iterator[Row]:
        """Events: :meth:`items` of them."""
        return self.items("events", **query)

    def objects(self, **query: Any) -> Iterator[Row]:
        """Optical objects: :meth:`items` of them."""
        return self.items("objects", **query)

    def targets(self, **query: Any) -> Iterator[Row]:
        """Targets of the science cases: :meth:`items` of them."""
        return self.items("targets", **query)

    def get(self, *path: str, **query: Any) -> Any:
        """The JSON of a path below ``/api/v1``: ``client.get("events", "lvk:S240115k")``.

        Raises
        ------
        ClientError
            The service refuses, or does not answer.
        """
        with self._opened(path, query) as answer:
            content = _read(answer, None)
            try:
                return orjson.loads(content)
            except orjson.JSONDecodeError as error:
                raise ClientError(answer.url, "answers with JSON", content[:60]) from error

    def download(self, noun: str, to: Path | str, form: str = "parquet", **query: Any) -> int:
        """A whole list into a file, in flat memory; how many bytes.

        Parameters
        ----------
        form
            ``parquet``, ``csv`` or ``ndjson``, which are of any length.

        Raises
        ------
        ClientError
            The service refuses, or does not answer; the file is left as it was.
        """
        path = Path(to)
        part, n_bytes = path.with_name(f"{path.name}.part"), 0
        try:
            with self._opened((noun,), query | {"format": form}) as answer, part.open("wb") as file:
                while content := _read(answer, _PART_BYTES):
                    n_bytes += file.write(content)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        return n_bytes

    def _opened(self, path: Iterable[str], query: dict[str, Any]) -> Any:
        """The answer to a request; one that is told to wait waits, a few times."""
        asked = urlencode({name: value for name, value in query.items() if value is not None})
        url = "/".join([self._base, *(quote(part, safe="") for part in path)])
        request = Request(f"{url}?{asked}" if asked else url, headers=self._headers)  # noqa: S310
        for n_left in range(_MOST_TRIES - 1, -1, -1):
            try:
                answer = _OPENER.open(request, timeout=_WAIT_S)
            except HTTPError as error:
                with error:
                    pause_s = _pause_s(error)
                    if pause_s is None or n_left == 0:
                        raise _refusal(url, error) from error
                sleep(pause_s)
            except (URLError, OSError, HTTPException) as error:
                said = getattr(error, "reason", error)
                raise ClientError(url, "answers", said) from error
            else:
                return answer
        raise AssertionError("the last try returns or raises")


def to_table(rows: Iterable[Row]) -> Table:
    """Rows as a table of Astropy; what is null is masked, lists and objects are JSON.

    Every name that a row has is a column, in the order of first sight.
    """
    import numpy as np
    from astropy.table import MaskedColumn, Table

    found = list(rows)
    names = dict.fromkeys(name for row in found for name in row)
    table = Table()
    for name in names:
        values = [_flat(row.get(name)) for row in found]
        mask = [value is None for value in values]
        known = [value for value in values if value is not None]
        empty: Any = "" if not known or isinstance(known[0], str) else type(known[0])()
        if len({type(value) for value in known}) > 1:
            numbers = all(isinstance(value, int | float) for value in known)
            empty = 0.0 if numbers else ""
        kind = type(empty)
        filled = [empty if value is None else kind(value) for value in values]
        table[name] = MaskedColumn(np.array(filled), mask=mask)
    return table


def _read(answer: Any, size: int | None) -> bytes:
    """So many bytes of an answer, or all of it.

    Raises
    ------
    ClientError
        It breaks off.
    """
    try:
        content: bytes = answer.read(size)
    except (OSError, HTTPException) as error:
        raise ClientError(answer.url, "is answered whole", repr(error)) from error
    return content


def _flat(value: Any) -> Any:
    return orjson.dumps(value).decode() if isinstance(value, dict | list) else value


def _pause_s(error: HTTPError) -> float | None:
    """How long a refused request waits until it is tried again [s]; None for not at all."""
    if error.code not in (429, 503):
        return None
    try:
        asked_s = float(error.headers.get("Retry-After", "1"))
    except ValueError:
        asked_s = 1.0
    return min(max(asked_s, 0.0), _LONGEST_PAUSE_S)


def _refusal(url: str, error: HTTPError) -> ClientError:
    """What the service said, in its words."""
    try:
        problem = orjson.loads(error.read())
        said = f"{error.code}: {problem['detail']}"
    except (orjson.JSONDecodeError, KeyError, TypeError, OSError):
        said = f"{error.code} {error.reason}"
    return ClientError(url, "can be asked for", said, error.code)
