"""What to do with a notice of the topics ``coincidence.*``."""

from __future__ import annotations

import json
import logging
from typing import Any

from django.conf import settings

from tom_correlator.rows import BadRowError, row_of_notice
from tom_correlator.targets import Origin, save_row

logger = logging.getLogger(__name__)

SCHEMA_MAJOR = 1
"""Version of the notices that are read: within it fields are only added."""


def save_target(message: Any) -> None:
    """Save what a notice says as a target, refresh it, or mark it as retracted.

    A notice that cannot be read is told in the log, with its place in the topic.

    Parameters
    ----------
    message
        Of confluent-kafka, as the handlers of other alert streams have it.
    """
    place = f"{message.topic()}/{message.partition()}/{message.offset()}"
    try:
        notice = json.loads(message.value())
        if not isinstance(notice, dict):
            raise BadRowError("notice: is a JSON object, and this is none")
        _check_version(notice.get("$schema"))
        row = row_of_notice(notice)
    except (TypeError, ValueError) as error:
        logger.error("%s: the notice cannot be read: %s", place, error)
        return
    save_row(row, Origin.NOTICE, _groups())


def _check_version(schema: Any) -> None:
    """Refuse notices of a version to come, whose fields may mean something else."""
    said = str(schema).partition("/schema/v")[2].partition(".")[0]
    if said != str(SCHEMA_MAJOR):
        raise BadRowError(f"notice: its schema is of version {SCHEMA_MAJOR}, not {schema!r}")


def _groups() -> tuple[str, ...]:
    services = getattr(settings, "DATA_SERVICES", {})
    return tuple(services.get("Correlator", {}).get("groups") or ())
