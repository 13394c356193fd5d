"""Questions to the correlator's REST interface; every failure is one that a TOM knows."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

import requests
from tom_dataservices.dataservices import NotConfiguredError, QueryServiceError

Json = dict[str, Any]

TIMEOUT_S = (5.0, 30.0)
"""To connect, and between two pieces of an answer [s]."""

PATIENCE_S = 60.0
"""How long a question may wait in all for its turn, where nobody waits for it [s]."""

MAX_ANSWER_BYTES = 2**25
"""Longest answer that is read: a hundred times a page of 99 targets [bytes]."""

_TOO_MANY_REQUESTS = 429
_UNAVAILABLE = 503


class NotThereError(QueryServiceError):
    """The service has no such thing, or none that the token may read."""


class _TokenAuth(requests.auth.AuthBase):
    """The token as a header; as a plain header, an entry in ``.netrc`` would replace it."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token:
            request.headers["Authorization"] = f"Token {self._token}"
        return request


class Client:
    """The interface at one address, asked with one token.

    Parameters
    ----------
    base_url
        Where the service is: ``https://correlator.example.org``.
    token
        None reads what is public.
    patience_s
        How long a question waits in all when the service asks for it [s]; 0 where a person waits.
    """

    def __init__(self, base_url: str, token: str | None, patience_s: float = PATIENCE_S) -> None:
        if not isinstance(base_url, str) or not base_url.startswith(("http://", "https://")):
            raise NotConfiguredError(f"base_url is an address with http(s)://, not {base_url!r}")
        self._root = base_url.rstrip("/") + "/api/v1"
        self._session = requests.Session()
        self._session.auth = _TokenAuth(token)
        self._patience_s = patience_s

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> Json:
        """The object at a path below ``/api/v1``.

        Raises
        ------
        NotThereError
            404.
        QueryServiceError
            No answer, a refusal (with what the service says of it), or one that is no object.
        """
        response, body = self._answer(f"{self._root}/{path.lstrip('/')}", params or {})
        said = _json(body)
        if not isinstance(said, dict):
            raise QueryServiceError(f"{response.url} answered with no JSON object")
        return said

    def items(self, path: str, params: Mapping[str, Any], max_pages: int) -> Iterator[Json]:
        """What a list has, page by page; whoever has enough stops asking.

        Raises
        ------
        QueryServiceError
            As of :meth:`get`, or a page without a list.
        """
        cursor: dict[str, str] = {}
        for _ in range(max_pages):
            page = self.get(path, {**params, **cursor})
            found = page.get("items")
            if not isinstance(found, list):
                raise QueryServiceError(f"{path} answered with no list of items")
            yield from found
            if not page.get("next"):
                return
            cursor = {"cursor": page["next"]}

    def _answer(self, url: str, params: Mapping[str, Any]) -> tuple[requests.Response, bytes]:
        patience_s = self._patience_s
        while True:
            response, body = self._ask(url, params)
            if response.status_code not in {_TOO_MANY_REQUESTS, _UNAVAILABLE}:
                break
            wait_s = _retry_after_s(response)
            if wait_s is None or wait_s > patience_s:
                break
            patience_s -= wait_s
            time.sleep(wait_s)
        try:
            response.raise_for_status()
        except requests.HTTPError as error:
            is_missing = response.status_code == requests.codes.not_found
            kind = NotThereError if is_missing else QueryServiceError
            raise kind(_refusal(response, body)) from error
        return response, body

    def _ask(self, url: str, params: Mapping[str, Any]) -> tuple[requests.Response, bytes]:
        try:
            with self._session.get(url, params=params, timeout=TIMEOUT_S, stream=True) as response:
                return response, _body(response)
        except requests.Timeout as error:
            raise QueryServiceError(f"{url} does not answer in time") from error
        except requests.RequestException as error:
            raise QueryServiceError(f"{url} cannot be asked: {error}") from error


def _body(response: requests.Response) -> bytes:
    """The body of an answer, up to a bound."""
    parts, size = [], 0
    for part in response.iter_content(2**16):
        size += len(part)
        if size > MAX_ANSWER_BYTES:
            raise QueryServiceError(f"{response.url} answers with over {MAX_ANSWER_BYTES} bytes")
        parts.append(part)
    return b"".join(parts)


def _json(body: bytes) -> Any:
    """What an answer says; None when it is no JSON."""
    try:
        return json.loads(body)
    except ValueError:
        return None


def _retry_after_s(response: requests.Response) -> float | None:
    """How long the service asks to wait [s], at least 0.1; None when it does not say."""
    try:
        return max(0.1, float(response.headers["Retry-After"]))
    except (KeyError, ValueError):
        return None


def _refusal(response: requests.Response, body: bytes) -> str:
    """What the service says against a request, in a line."""
    said = f"{response.url} answered {response.status_code} {response.reason}"
    problem = _json(body)
    if isinstance(problem, dict) and isinstance(problem.get("detail"), str):
        said += f": {problem['detail']}"
    wait = response.headers.get("Retry-After")
    return f"{said} (try again in {wait} s)" if wait else said
