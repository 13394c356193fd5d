"""Settings, and the only place that reads the environment."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from correlator.audience import Audience, audience_of
from correlator.nature import DRILLS, NO_BURSTS, Nature
from correlator.policy import Policy
from correlator.service.source_audiences import SourceAudiences
from ingest_optical.registry import RUBIN_REGISTRY
from storage.catalogs import MEMORY_BYTES
from storage.catalogs.catalog import CatalogStore
from storage.catalogs.tagger import Tagger
from streams.cds_settings import CDS_URL, SIMBAD, CdsSettings
from streams.edge_source import SourceSettings, servers_and_topic
from streams.gcn_settings import GcnSettings, topics_named
from streams.map_url import MAP_HOSTS
from streams.settings import MapSettings, ModelSettings, StreamSettings
from streams.voevent import UNNAMED_AUTHOR, Author


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
    api_anonymous: bool = Field(True, description="let those without a token read what is public")
    api_anonymous_rate_hz: float = Field(
        5.0, gt=0.0, le=1e6, description="requests of an address without a token [1/s]"
    )
    api_token_rate_hz: float = Field(
        20.0, gt=0.0, le=1e6, description="requests of a token without a rate of its own [1/s]"
    )
    api_proxies: str | None = Field(
        None, description="addresses of proxies whose X-Forwarded-For is believed, with commas"
    )
    include_tests: bool = Field(False, description="let tests, mocks and drills reach the join")
    kept_out: frozenset[Nature] = Field(
        NO_BURSTS, description='natures that do not reach the join, as ["tgf", "solar-flare"]'
    )
    site: str | None = Field(None, description="site whose night decides the visibility")
    inbox: Path | None = Field(None, description="folder that `up` watches for packets")
    audiences: dict[str, tuple[str, ...]] = Field(
        {},
        description="who may read what is in files, by survey, mission or series of events, as "
        '{"lsst": ["rubin"], "svom": ["svom", "partners"]}',
    )

    source_username: str | None = Field(None, description="who we are at a survey's broker")
    source_password: SecretStr | None = Field(None, description="our password there")
    source_mechanism: str = Field(
        "SCRAM-SHA-512", description="SASL mechanism of a survey's broker"
    )
    source_security: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] | None = Field(
        None, description="protocol of a survey's broker; sasl_plaintext with a username (as Rubin)"
    )
    source_ca_file: Path | None = Field(None, description="certificates that sign that broker's")
    source_registry: str = Field(RUBIN_REGISTRY, description="schema registry of LSST; '' for none")
    source_schemas: Path = Field(
        Path("data/schemas"), description="folder that keeps the schemas of the registry"
    )

    gcn_client_id: str | None = Field(None, description="our id at GCN")
    gcn_client_secret: SecretStr | None = Field(None, description="our secret there")
    gcn_domain: str = Field(
        "gcn.nasa.gov", pattern=r"^[a-z0-9.-]+$", description="GCN, or its test.gcn.nasa.gov"
    )
    gcn_servers: str | None = Field(
        None, description="HOST:PORT of a broker with GCN's topics, asked without credentials"
    )
    gcn_spool: Path = Field(
        Path("data/gcn-spool.sqlite"), description="notices that our broker does not have yet"
    )
    gcn_spool_bytes: int = Field(
        2 * 2**30, ge=2**20, description="disk that these may take, then the reading pauses [bytes]"
    )
    gcn_session_s: float = Field(
        10.0, ge=1.0, le=300.0, description="wait for a reader of GCN that was killed [s]"
    )
    gcn_silent_s: float = Field(
        60.0, ge=0.0, description="silence of gcn.heartbeat that is told of [s]; 0: it has none"
    )
    gcn_renew_s: float = Field(
        300.0, ge=30.0, description="silence after which the client is made anew [s]"
    )

    reader_servers: str | None = Field(None, description="HOST:PORT where `listen` reads notices")
    reader_username: str | None = Field(None, description="who we are there")
    reader_password: SecretStr | None = Field(None, description="our password there")
    reader_security: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] | None = Field(
        None, description="protocol of that broker; sasl_ssl with a username"
    )
    reader_ca_file: Path | None = Field(None, description="certificates that sign that broker's")

    fetch_maps: bool = Field(True, description="fetch the sky maps that notices name by URL")
    map_hosts: tuple[str, ...] = Field(
        MAP_HOSTS, description="hosts that sky maps may come from, a JSON list of names"
    )
    map_cache: Path = Field(Path("data/maps"), description="folder of fetched sky maps")

    models: Path = Field(Path("data/models"), description="folder of models; none need be in it")
    catalogs: Path = Field(Path("data/catalogs"), description="folder of catalogues of the sky")
    catalog_bytes: int = Field(
        MEMORY_BYTES, ge=0, description="memory for the entries of all catalogues"
    )

    cds_xmatch: bool = Field(False, description="let `catalogs match` ask the service of CDS, too")
    cds_url: str = Field(CDS_URL, pattern=r"^https?://", description="where that service is")
    cds_table: str = Field(SIMBAD, description="whom it asks: simbad, or vizier:TABLE")
    cds_timeout_s: float = Field(20.0, gt=0.0, description="longest wait for one answer of it")

    skyportal_token: SecretStr | None = Field(None, description="our token at a SkyPortal")
    hermes_token: SecretStr | None = Field(None, description="our token at Hermes")

    author_ivorn: str = Field(
        UNNAMED_AUTHOR.ivorn, pattern=r"^ivo://[^#\s]+$", description="who sends our VOEvents"
    )
    author_title: str = Field(UNNAMED_AUTHOR.title, description="the same in words")
    author_email: str | None = Field(None, description="whom to ask about them")

    @field_validator("kept_out")
    @classmethod
    def _is_of_the_sky(cls, natures: frozenset[Nature]) -> frozenset[Nature]:
        others = natures & (DRILLS | {Nature.RETRACTED})
        if others:
            said = ", ".join(sorted(others))
            raise ValueError(f"{said}: tests have include_tests, and nothing retracted is joined")
        return natures

    @field_validator("audiences")
    @classmethod
    def _are_audiences(cls, said: dict[str, tuple[str, ...]]) -> dict[str, Audience]:
        return {source.lower(): audience_of(tags) for source, tags in said.items()}

    def source_audiences(self) -> SourceAudiences:
        """Who may read the packets of files."""
        return SourceAudiences(self.audiences)

    def author(self) -> Author:
        """Who sends our VOEvents."""
        return Author(self.author_ivorn, self.author_title, self.author_email)

    def policy(self) -> Policy:
        """The policy that follows from the settings."""
        return Policy(kept_out=self.kept_out, include_tests=self.include_tests)

    def source(
        self, survey: str, url: str, group: str | None, begin: Literal["earliest", "latest"]
    ) -> SourceSettings:
        """A survey's broker, and who we are there.

        Rubin takes only groups whose name begins with the user's.

        Raises
        ------
        ConfigurationError
            The URL is none of a topic.
        """
        servers, topic = servers_and_topic(url)
        user, password = self.source_username, self.source_password
        name = group or f"{self.app_id}-edge-{survey}"
        if survey == "lsst" and user is not None and not name.startswith(user):
            name = f"{user}-{name}"
        return SourceSettings(
            servers=servers,
            topic=topic,
            group=name,
            begin=begin,
            username=user,
            password=None if password is None else password.get_secret_value(),
            mechanism=self.source_mechanism,
            security=self.source_security or ("sasl_plaintext" if user else "plaintext"),
            ca_file=None if self.source_ca_file is None else str(self.source_ca_file),
        )

    def gcn(self, topics: Iterable[str], group: str | None) -> GcnSettings:
        """GCN's broker, or a mirror of it, and who we are there.

        Raises
        ------
        ConfigurationError
            Neither credentials nor a mirror, or both; or a topic that cannot be meant.
        """
        secret = self.gcn_client_secret
        return GcnSettings(
            group=group or f"{self.app_id}-gcn",
            notice_topics=topics_named(topics),
            client_id=self.gcn_client_id,
            client_secret=None if secret is None else secret.get_secret_value(),
            domain=self.gcn_domain,
            mirror=self.gcn_servers,
            session_s=self.gcn_session_s,
            has_heartbeat=self.gcn_silent_s > 0.0,
        )

    def model_settings(self) -> ModelSettings:
        """Where the models are, and how they are run."""
        return ModelSettings(self.models)

    def tagger(self) -> Tagger:
        """Who tells alerts what the catalogues have near them."""
        return Tagger(CatalogStore(self.catalogs, self.catalog_bytes))

    def cds(self) -> CdsSettings:
        """How the cross-match service of CDS is asked."""
        return CdsSettings(url=self.cds_url, table=self.cds_table, timeout_s=self.cds_timeout_s)

    def stream_settings(self) -> StreamSettings:
        """What the streaming layer needs of them."""
        return StreamSettings(
            app_id=self.app_id,
            broker_url=self.broker,
            author=self.author(),
            maps=MapSettings(self.map_hosts, self.map_cache) if self.fetch_maps else None,
            models=self.model_settings(),
        )
