"""What a SkyPortal was told before: a small file, beside what it knows itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import orjson

from correlator.errors import ConfigurationError

Json = dict[str, Any]


@dataclass(slots=True)
class Memory:
    """What was told of each coincidence: its revision, and how the links stand that we made.

    It saves requests, and knows our own rejections from those of people. Without it the server is
    asked, and a rejection stays.

    Parameters
    ----------
    url
        Of the SkyPortal that it is of.
    path
        A small JSON file; None keeps nothing.
    """

    url: str
    path: Path | None
    told: dict[str, Json] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path | None, url: str) -> Self:
        """What is remembered of a SkyPortal; nothing where there is no file yet.

        Raises
        ------
        ConfigurationError
            The file is none of ours, or of another SkyPortal.
        """
        if path is None or not path.exists():
            return cls(url, path)
        try:
            said = orjson.loads(path.read_bytes())
            known, told = said["url"], dict(said["told"])
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigurationError(f"{path}: no file of `correlator push`: {error}") from error
        if known != url:
            raise ConfigurationError(f"{path}: it is of {known}, not of {url}")
        return cls(url, path, told)

    def knows(self, key: str) -> bool:
        """Whether anything was told of a coincidence."""
        return bool(self.told.get(key, {}).get("is_told"))

    def revision(self, key: str) -> int | None:
        """The revision of a coincidence that was told whole."""
        number: int | None = self.told.get(key, {}).get("revision")
        return number

    def links(self, key: str) -> Mapping[str, str]:
        """How we left the links of a coincidence, by the time of the event."""
        links: Mapping[str, str] = self.told.get(key, {}).get("links", {})
        return links

    def remember(
        self, key: str, revision: int | None, links: Mapping[str, str], is_told: bool
    ) -> None:
        """Keep what was told, on disk whole or as it was; no revision where some of it failed."""
        self.told[key] = {"revision": revision, "links": dict(links), "is_told": is_told}
        if self.path is None:
            return
        beside = self.path.with_name(f".{self.path.name}.new")
        beside.write_bytes(orjson.dumps({"url": self.url, "told": self.told}, option=_OPTIONS))
        beside.replace(self.path)


_OPTIONS = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS
