"""The correlator's target lists as a DataService of TOM Toolkit."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from functools import cached_property
from typing import Any

from django.utils.html import escape
from tom_dataservices.dataservices import (
    DataService,
    MissingDataException,
    QueryServiceError,
)
from tom_targets.models import Target

from tom_correlator import __version__
from tom_correlator.client import PATIENCE_S, Client, Json, NotThereError
from tom_correlator.forms import MAX_ROWS, CorrelatorForm
from tom_correlator.light_curve import photometry_of, save_photometry
from tom_correlator.rows import BadRowError, Row, row_of_target
from tom_correlator.standing import standings, tracked
from tom_correlator.targets import (
    Origin,
    add_aliases,
    find_target,
    is_creatable,
    new_extras,
    new_target,
    refresh,
    settle,
)

logger = logging.getLogger(__name__)

MAX_MISSED = 500
"""Targets of the TOM that one run asks for because its query did not find them."""


class CorrelatorDataService(DataService):
    """Queries the target lists of a correlator, and keeps the TOM's copies up to date.

    ``settings.DATA_SERVICES["Correlator"]`` has ``base_url``, and may have ``api_key`` (a token;
    without one what is public is read) and ``groups`` (names of those that see what a saved query
    brings).
    """

    name = "Correlator"
    verbose_name = "Multi-messenger correlator"
    service_notes = "Optical counterparts of gamma-ray, X-ray, neutrino and GW events, by priority."
    app_version = __version__
    query_results_table = "tom_correlator/results_table.html"

    @classmethod
    def get_form_class(cls) -> type[CorrelatorForm]:
        """The form of a query."""
        return CorrelatorForm

    def build_query_parameters(self, parameters: Mapping[str, Any], **_: Any) -> dict[str, Any]:
        """The parameters of a query from the form's data: what is empty is left out."""
        names = ("case", "event", "site", "filter")
        asked = {name: parameters[name] for name in names if parameters.get(name)}
        return asked | {"limit": min(parameters.get("limit") or 50, MAX_ROWS)}

    def build_query_parameters_from_target(self, target: Target, **_: Any) -> dict[str, Any]:
        """What asks for the light curve of a target.

        Raises
        ------
        QueryServiceError
            It is none of the correlator's.
        """
        extra = target.targetextra_set.filter(key="object_key").first()
        if extra is None:
            raise QueryServiceError(f"{target.name} is no target of the correlator")
        return {"object_key": extra.value}

    def query_service(self, query_parameters: Mapping[str, Any], **_: Any) -> list[Json]:
        """The targets that a query asks for, as the service has them.

        Raises
        ------
        QueryServiceError
            The service cannot be asked, or refuses.
        NotConfiguredError
            There is no address of it.
        """
        try:
            found = self._client.items("targets", query_parameters, max_pages=1)
            self.query_results = list(found)[: query_parameters["limit"]]
        except QueryServiceError as error:
            raise self._told(error) from error
        return self.query_results

    def query_targets(self, query_parameters: Mapping[str, Any], **_: Any) -> list[Row]:
        """Rows by priority; behind them what the TOM has of the same list and they have not.

        Those are refreshed, or told as retracted, though no query for targets finds them: by
        ``rundataquery``, for a page shows what somebody asked for and no more.
        """
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        found = self.query_service(query_parameters)
        if self.user is not None:
            return self._rows(found, now)
        return self._rows([*found, *self._missed(query_parameters, found)], now)

    def query_photometry(self, query_parameters: Mapping[str, Any], **_: Any) -> list[Json]:
        """The light curve of an object; empty where the service has none for us."""
        try:
            return photometry_of(self._client, query_parameters["object_key"])
        except NotThereError:
            return []
        except QueryServiceError as error:
            raise self._told(error) from error

    def create_target_from_query(self, target_result: Row, **_: Any) -> Target:
        """A target of a row, named as the survey names the object."""
        return new_target(target_result)

    def create_target_extras_from_query(self, query_results: Row, **_: Any) -> Row:
        """What the correlator says of a target."""
        return new_extras(query_results)

    def create_reduced_datums_from_query(
        self, target: Target, data: Any, data_type: str | None = None, **_: Any
    ) -> list[Any]:
        """Photometry of a light curve; what the TOM has already stays as it is."""
        return save_photometry(target, data, self.name) if data_type == "photometry" else []

    def to_target(self, target_result: Row | None = None, **kwargs: Any) -> Target | None:
        """Make the target of a row, or refresh the one that the TOM has.

        TOM Toolkit's own leaves a target as it is that exists already, so that a changed priority
        or a retraction would never get there.

        Returns
        -------
        Target or None
            None for what the TOM never had and what is no longer active.
        """
        if not target_result:
            raise MissingDataException("No query results. Did you call query_service()?")
        target = find_target(target_result["name"])
        if target is not None:
            refresh(target, target_result, Origin.LIST)
            add_aliases(target, target_result["aliases"])
        elif is_creatable(target_result):
            target = super().to_target(target_result, **kwargs)
            settle(target, target_result, self.get_configuration("groups") or ())
        return target

    @cached_property
    def _client(self) -> Client:
        # A person before a page does not wait for the service to have time.
        patience_s = PATIENCE_S if self.user is None else 0.0
        base_url, token = map(self.get_configuration, ("base_url", "api_key"))
        return Client(base_url, token, patience_s)

    def _rows(self, items: Iterable[Json], now: str) -> list[Row]:
        """The rows of some items; one that breaks a rule is told in the log and left out."""
        rows = []
        for item in items:
            try:
                rows.append(row_of_target(item, now))
            except BadRowError as error:
                logger.error("%s", error)
        return rows

    def _missed(self, asked: Mapping[str, Any], found: Iterable[Json]) -> list[Json]:
        """What stands of the targets that the TOM has of a list and that a query did not find."""
        known = {item.get("object_key") for item in found}
        missed = [held for held in tracked(asked["case"]) if held.object_key not in known]
        if event := asked.get("event"):
            missed = [held for held in missed if held.is_of(event)]
        if len(missed) > MAX_MISSED:
            logger.warning("of %d targets the first %d are asked for", len(missed), MAX_MISSED)
        return standings(self._client, missed[:MAX_MISSED], asked.get("site"))

    def _told(self, error: QueryServiceError) -> QueryServiceError:
        """An error as it can be shown: a TOM's page takes its text for HTML."""
        return error if self.user is None else type(error)(escape(str(error)))
