"""What the OpenAPI document allows is answered as it says, and what it does not is refused."""

from __future__ import annotations

import pytest
import schemathesis
from schemathesis import GenerationMode
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import Status, StopReason, events, from_schema

from storage.store import Store
from storage.tokens import Scope
from tests.builders import a_coincidence
from tests.service.api.asking import Asked
from tests.service.api.filling import EVENT, NOTICE, OBJECT, fill, localization_of

pytestmark = pytest.mark.slow

EXAMPLES = 12
"""Requests of each route that are drawn, beside those of the edges of each parameter."""

REFUSED = (400, 401, 403, 404, 405, 413, 414, 422)
ACCEPTED = ("2xx", 304, 401, 403, 404, 409)

KNOWN = {
    "coincidence_id": a_coincidence().pair.coincidence_id,
    "target_id": f"grb-afterglow/{OBJECT}",
    "event_key": EVENT,
    "notice_id": NOTICE,
    "object_key": OBJECT,
}


@pytest.fixture(scope="module")
def asked():
    with Store.open("sqlite:///:memory:") as store:
        fill(store)
        yield Asked(store)


def test_every_route_answers_as_it_is_documented(asked):
    config = SchemathesisConfig.from_dict(
        {
            "seed": 20251009,
            "headers": {"Authorization": f"Bearer {asked.token(*Scope)}"},
            "generation": {
                "max-examples": EXAMPLES, "deterministic": True, "no-shrink": True,
                "database": "none",
            },
            "phases": {"stateful": {"enabled": False}},
            # How long it takes to draw a request says nothing of the answer.
            "suppress-health-check": ["all"],
            # A schema cannot say what a MOC, a filter or a cursor is, nor that regions exclude
            # one another: such a request is refused, by that status and no other.
            "checks": {
                "positive_data_acceptance": {"expected-statuses": [*ACCEPTED, 400]},
                "negative_data_rejection": {"expected-statuses": list(REFUSED)},
            },
        }
    )  # fmt: skip
    schema = schemathesis.openapi.from_asgi("/openapi.json", asked.api, config=config)
    _with_known_keys(schema, KNOWN | {"sha256": localization_of(asked.store)})
    said = list(from_schema(schema).execute())
    wrong = [e for e in said if isinstance(e, events.NonFatalError | events.FatalError)]
    assert not wrong, [(e.label, str(e.value)) for e in wrong]
    done = [e for e in said if isinstance(e, events.ScenarioFinished)]
    failures = {
        f"{failure.failure.title}: {failure.failure.message}\n{failure.code_sample}"
        for event in done
        for checks in event.recorder.checks.values()
        for check in checks
        if check.status is Status.FAILURE
        for failure in [check.failure_info]
    }
    assert not failures, "\n\n".join(sorted(failures))
    tried = {event.label for event in done if event.status is Status.SUCCESS}
    paths = asked.api.openapi()["paths"]
    assert tried == {f"{m.upper()} {path}" for path, ms in paths.items() for m in ms}
    assert said[-1].stop_reason is StopReason.COMPLETED


def _with_known_keys(schema, known) -> None:
    """Let every other request that is allowed be of what is there."""
    turn = iter(range(10**9))

    @schema.hook
    def map_case(context, case):
        if case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE:
            for name in case.path_parameters or {}:
                if name in known and next(turn) % 2:
                    case.path_parameters[name] = known[name]
        return case
