"""How a broker is reached, and who we are there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Connection:
    """A broker, and a user of it.

    Attributes
    ----------
    servers
        ``HOST:PORT[,HOST:PORT...]``.
    username, password
        By SCRAM-SHA-512; None for a broker that asks nobody.
    security
        ``plaintext``, ``ssl``, ``sasl_plaintext`` or ``sasl_ssl``; None chooses ``sasl_ssl`` where
        there is a user, otherwise ``plaintext``.
    ca_file
        Certificates that sign the broker's; None for those of the system.
    """

    servers: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    security: str | None = None
    ca_file: str | None = None

    @property
    def group(self) -> str:
        """A group that the user may name; nothing is committed in it."""
        return f"{self.username or 'reader'}.listen"

    def configuration(self) -> dict[str, Any]:
        """The same in the words of librdkafka."""
        security = self.security or ("sasl_ssl" if self.username else "plaintext")
        said: dict[str, Any] = {
            "bootstrap.servers": self.servers,
            "security.protocol": security,
            "group.id": self.group,
            "enable.auto.commit": False,
            "enable.partition.eof": False,
            # Whoever asks for what is not kept any more has the first record that is.
            "auto.offset.reset": "earliest",
            "log_level": 0,
        }
        if self.username is not None:
            said |= {
                "sasl.mechanism": "SCRAM-SHA-512",
                "sasl.username": self.username,
                "sasl.password": self.password or "",
            }
        if self.ca_file is not None:
            said["ssl.ca.location"] = self.ca_file
        return said
