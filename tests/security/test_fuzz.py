"""Whatever is sent to the API: no answer is a fault of the hub, and each is as the description says.

Every phase of schemathesis over the whole description (examples, coverage, random data, chains of
calls). The seed is the same in each run, so that a change is judged and not its luck: ``FUZZ_SEED=…`` takes
another, ``FUZZ_SEED=0`` draws one, and it is printed. Bounded in time; ``FUZZ_SECONDS=600`` looks longer.
"""

import json
import os
import random
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import schemathesis
from auditlog.models import LogEntry
from hypothesis import strategies as some
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema
from schemathesis.engine.context import EngineContext

from hub.accounts.models import Scope
from hub.api import auth, authentication
from hub.api.authentication import keys
from hub.lib import outbound, throttle
from hub.wsgi import application
from tests.factories import api_key
from tests.hub.dashboard.world import World, build

SECONDS = int(os.environ.get("FUZZ_SECONDS", "75"))
SEED = int(os.environ.get("FUZZ_SEED", "11")) or random.SystemRandom().randrange(1, 2**31)
#: How the time is shared: whatever a phase leaves over is nobody else's.
SHARES = {"examples": 0.1, "coverage": 0.4, "fuzzing": 0.3, "stateful": 0.2}
#: A value that fits its form may still name something that is not there (400), another version (412),
#: a provider that does not answer (424), an invitation that is over (410) or somebody who is locked out
#: (429): what is right for one row no description can say.
CONFIG: dict[str, Any] = {
    "continue-on-failure": True,
    # Who sends no key is refused before anything else: tests/security/test_tenants.py holds that.
    "generation": {"with-security-parameters": False},
    "checks": {
        "positive_data_acceptance": {
            "expected-statuses": [
                "2xx",
                "400",
                "401",
                "403",
                "404",
                "409",
                "410",
                "412",
                "413",
                "415",
                "422",
                "424",
                "428",
                "429",
            ]
        },
        "negative_data_rejection": {
            "expected-statuses": [
                *("400", "401", "403", "404", "405", "406", "409", "412", "413", "415", "422", "424", "428"),
                "429",
            ]
        },
        "missing_required_header": {"expected-statuses": ["400", "401", "403", "404", "406", "415", "428"]},
    },
}

#: Rows for the import, good and bad: of bodies in lines schemathesis knows nothing, and would try none.
LINES = ["application/x-ndjson", "application/jsonl"]
ROWS = some.lists(
    some.dictionaries(some.sampled_from(["id", "name"]) | some.text(), some.text() | some.floats())
)
schemathesis.serializer.alias(LINES, "application/octet-stream")
schemathesis.openapi.media_type(
    LINES[0],
    some.binary() | ROWS.map(lambda rows: "\n".join(map(json.dumps, rows)).encode()),
    aliases=LINES[1:],
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(SECONDS * 4 + 120)]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[World]:
    """An organization with a row of everything, and providers that answer nonsense."""
    throttle.forget()
    keys.clear()
    real = EngineContext.get_transport_kwargs

    def in_process(self: EngineContext, operation: Any = None) -> dict[str, Any]:
        """Leave out what only means something over a network; the WSGI transport knows nothing of it."""
        named = real(self, operation)
        return {
            name: value for name, value in named.items() if name not in ("max_redirects", "verify", "cert")
        }

    # Bad keys are tried all the time, and signing in; how often an address may is held elsewhere.
    monkeypatch.setattr(authentication, "MOST_REFUSED", 10**9)
    monkeypatch.setattr(auth, "MOST_TRIES", 10**9)
    monkeypatch.setattr(EngineContext, "get_transport_kwargs", in_process)

    def send(method: str, url: str, *_: Any) -> outbound.Response:
        return outbound.Response(200, {"content-type": "application/json"}, b'{"id": "x"}', url)

    monkeypatch.setattr(outbound, "send", send)
    yield build()
    throttle.forget()
    keys.clear()


@pytest.mark.parametrize("phase", SHARES)
def test_no_answer_is_a_fault_and_each_is_as_described(
    world: World, phase: str, capsys: pytest.CaptureFixture[str]
) -> None:
    schema = schemathesis.openapi.from_wsgi("/api/schema?format=json", application, config=_config(phase))
    schema.config.update(headers={"Authorization": f"Bearer {api_key(world.organization, tuple(Scope))}"})

    # A machine that stands still for as long as a phase lasts has tried nothing: then once more.
    for _ in range(3):
        failures, calls = _run(schema)
        if calls:
            break

    with capsys.disabled():
        sys.stdout.write(f"\nFUZZ_SEED={SEED} FUZZ_SECONDS={SECONDS} {phase}: {calls} calls\n")
    assert calls
    assert not failures, f"FUZZ_SEED={SEED}\n\n" + "\n\n".join(sorted(failures)[:20])


def _config(phase: str) -> SchemathesisConfig:
    phases = {name: {"enabled": name == phase} for name in SHARES}
    limits = {"seed": SEED, "max-time": max(5, int(SECONDS * SHARES[phase]))}
    return SchemathesisConfig.from_dict({**CONFIG, **limits, "phases": phases})


def _run(schema: Any) -> tuple[set[str], int]:
    """Return what went wrong, each kind at each operation once, and how many calls were made."""
    found: dict[tuple[str, str], str] = {}
    calls = 0
    for event in from_schema(schema).execute():
        if isinstance(event, events.ScenarioFinished):
            calls += len(event.recorder.interactions)
            for case, checks in event.recorder.checks.items():
                for check in checks:
                    if check.failure_info is not None and not _was_deleted(event.recorder, case, check):
                        told = _told(event.recorder, case, check)
                        found.setdefault((event.recorder.label, f"{check.name}{told[:60]}"), told)
        elif isinstance(event, events.NonFatalError | events.FatalError):
            error = getattr(event, "info", None) or event.exception
            label = str(getattr(event, "label", ""))
            found[label, str(error)[:100]] = f"{label}: {error}"
    return set(found.values()), calls


def _was_deleted(recorder: Any, case: str, check: Any) -> bool:
    """Whether what is missing was deleted by its other name: the check knows a row by one of them only."""
    held = recorder.interactions.get(case)
    if check.name != "ensure_resource_availability" or held is None:
        return False
    named = set(urlsplit(held.request.uri).path.split("/"))
    deleted = LogEntry.objects.filter(action=LogEntry.Action.DELETE)
    return any(
        entry.object_pk in named or (entry.changes or {}).get("slug", [""])[0] in named for entry in deleted
    )


def _told(recorder: Any, case: str, check: Any) -> str:
    failure, held = check.failure_info, recorder.interactions.get(case)
    request = held.request if held else None
    answer = held.response if held else None
    return "\n".join(
        (
            f"{recorder.label}: {check.name}: {failure.failure.title}: {str(failure.failure.message)[:500]}",
            f"    {request.method} {request.uri} {(request.body or b'')[:500]!r}" if request else "",
            f"    {request.headers}"[:600] if request else "",
            f"    {answer.status_code} {bytes(answer.content or b'')[:500]!r}" if answer else "",
        )
    )
