"""Sending a message to Hermes: asked whether it is one, then sent."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import aiohttp
import orjson

from correlator.errors import CorrelatorError
from correlator.service.skyportal_client import checked_url

HERMES_URL = "https://hermes.lco.global"
"""Where Hermes is."""

TIMEOUT_S = 30.0
"""Longest wait for one answer [s]."""

_MAX_SAID = 2_000
"""What is read of a refusal [bytes]."""


class HermesRefusedError(CorrelatorError):
    """Hermes did not take a message; what it said is in the words."""


async def submit(message: dict[str, Any], token: str, url: str = HERMES_URL) -> None:
    """Send a message, after Hermes has called it valid.

    Parameters
    ----------
    token
        Of our profile there.

    Raises
    ------
    ConfigurationError
        A URL to which no token may be sent.
    HermesRefusedError
        It was not taken, or nobody answered.
    """
    base = checked_url(url)
    body = orjson.dumps(message)
    headers = {
        "Authorization": f"Token {token}",
        "Content-Type": "application/json",
        "User-Agent": "multimessenger-correlator",
    }
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
        for path in ("submit_message/validate/", "submit_message/"):
            at = base.joinpath("api", "v0", path)
            try:
                async with session.post(at, data=body, allow_redirects=False) as answer:
                    said = await answer.content.read(_MAX_SAID)
            except (aiohttp.ClientError, TimeoutError) as error:
                raise HermesRefusedError(
                    f"Hermes, {path}: {type(error).__name__}: {error}"
                ) from error
            if answer.status not in {HTTPStatus.OK, HTTPStatus.CREATED}:
                raise HermesRefusedError(
                    f"Hermes, {path} ({answer.status}): {said.decode(errors='replace')}"
                )
