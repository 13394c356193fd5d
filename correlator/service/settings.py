"""Settings, and the only place that reads the environment."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from correlator.policy import Policy
from streams.settings import StreamSettings


class Settings(BaseSettings):
    """What an installation chooses; each field is also ``CORRELATOR_<NAME>`` in the environment."""

    model_config = SettingsConfigDict(env_prefix="CORRELATOR_", extra="ignore", frozen=True)

    broker: str = Field(
        "memory://correlator",
        pattern=r"^(memory|kafka)://",
        description="memory://NAME or kafka://HOST:PORT",
    )
    store: str = Field("sqlite:///data/correlator.sqlite", description="URL of the event store")
    app_id: str = Field("correlator", description="consumer group of the stream workers")
    host: str = Field("127.0.0.1", description="address of the web page")
    port: int = Field(8000, ge=0, le=65535, description="port of the web page")
    include_tests: bool = Field(False, description="let tests, mocks and drills reach the join")
    site: str | None = Field(None, description="site whose night decides the visibility")
    inbox: Path | None = Field(None, description="folder that `up` watches for packets")

    def policy(self) -> Policy:
        """The policy that follows from the settings."""
        return Policy(include_tests=self.include_tests)

    def stream_settings(self) -> StreamSettings:
        """What the streaming layer needs of them."""
        return StreamSettings(app_id=self.app_id, broker_url=self.broker)
