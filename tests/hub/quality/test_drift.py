"""A provider's fields against the read before: told once, until somebody has seen it."""

from typing import Any

import pytest

from hub.delivery.models import IntegrationLog
from hub.events.models import Event
from hub.quality import drift
from hub.quality.models import Drift, ReadShape
from hub.sync.models import Sync
from hub.sync.run import run_until_idle
from hub.sync.starting import start
from tests.factories import MembershipFactory
from tests.hub.sync.conftest import Crm, crm, customers, pull, push  # noqa: F401

pytestmark = pytest.mark.django_db


def people(*more: dict[str, Any], count: int = 6) -> list[dict[str, Any]]:
    return [{"id": str(n), "name": f"N {n}", "age": n, **(more[0] if more else {})} for n in range(count)]


def read(sync: Sync, crm: Crm, *pages: list[dict[str, Any]]) -> list[dict[str, Any]]:  # noqa: F811
    """Read pages, and return what was told about them."""
    known = Drift.objects.count()
    crm.pages = list(pages)
    start(sync, full=True)
    run_until_idle()
    return [change for row in Drift.objects.order_by("pk")[known:] for change in row.changes]


def test_new_retyped_and_missing_fields_are_told_once(pull: Sync, crm: Crm):  # noqa: F811
    assert read(pull, crm, people({"plan": "gold"}), people()[:2]) == []
    told = read(pull, crm, people({"plan": 3, "tags": [{"a": 1}]}))
    assert told == [
        {"field": "plan", "what": "retyped", "before": "text", "after": "number"},
        {"field": "tags", "what": "new", "before": "empty", "after": "list"},
    ]
    entry = IntegrationLog.objects.get(outcome="warning")
    assert "plan is retyped, tags is new" in entry.message
    assert read(pull, crm, people({"plan": 4, "tags": []})) == []
    gone = [{"id": str(n), "name": "x"} for n in range(6)]
    missing = {"what": "missing", "after": "empty"}
    assert read(pull, crm, gone) == [
        {"field": "age", "before": "number", **missing},
        {"field": "tags", "before": "list", **missing},
    ]
    assert read(pull, crm, gone) == []
    assert [change["what"] for change in read(pull, crm, people())] == ["new"]  # age is back
    assert IntegrationLog.objects.filter(outcome="warning").count() == Drift.objects.count() == 3


def test_what_only_some_rows_have_is_never_missing(pull: Sync, crm: Crm):  # noqa: F811
    read(pull, crm, [*people({"note": "x"}, count=3), *people(count=9)])
    assert read(pull, crm, people(count=9)) == []


def test_small_reads_add_up_until_a_field_counts_as_missing(pull: Sync, crm: Crm):  # noqa: F811
    read(pull, crm, people())
    few = [{"id": "1", "name": "x"}, {"id": "2", "name": "y"}]
    assert [read(pull, crm, few) for _ in range(2)] == [[], []]
    assert [change["field"] for change in read(pull, crm, few)] == ["age"]


def test_no_value_is_no_type(pull: Sync, crm: Crm):  # noqa: F811
    read(pull, crm, people({"plan": None}))
    assert read(pull, crm, people({"plan": "gold"})) == []
    assert read(pull, crm, people({"plan": None})) == []


def test_a_run_that_goes_on_in_another_process_loses_nothing(pull: Sync, crm: Crm):  # noqa: F811
    read(pull, crm, people())
    run = start(pull, full=True)
    send = {"sender": None, "run": run, "source": "people"}
    drift.page_was_read(**send, rows=people({"new": 1}), last=False)
    drift._reading.clear()
    drift.page_was_read(**send, rows=people(), last=True)
    assert [change["field"] for row in Drift.objects.all() for change in row.changes] == ["new"]
    assert ReadShape.objects.get().run is None


def test_fields_within_fields_are_compared_and_bounded(monkeypatch: pytest.MonkeyPatch):
    shape: drift.Shape = {}
    drift.note(shape, {"a": {"b": {"c": {"d": 1}}}, "l": [{"x": 1}, {"y": True}]})
    assert list(shape) == ["a", "a.b", "a.b.c", "l", "l[].x", "l[].y"]
    monkeypatch.setattr(drift, "MAX_FIELDS", 10)
    drift.note(shape, {str(n): n for n in range(100)})
    assert len(shape) == 10


def test_it_is_acknowledged_once(pull: Sync, crm: Crm):  # noqa: F811
    read(pull, crm, people())
    read(pull, crm, people({"new": 1}))
    member = MembershipFactory(organization=pull.organization)
    row = Drift.objects.get()
    assert drift.acknowledge(row, member.user) is True
    assert drift.acknowledge(row, member.user) is False
    assert Drift.objects.get().acknowledged_by == member.user


def test_it_is_an_alert_once(
    pull: Sync,  # noqa: F811
    crm: Crm,  # noqa: F811
    django_capture_on_commit_callbacks: Any,
):
    with django_capture_on_commit_callbacks(execute=True):
        read(pull, crm, people())
        read(pull, crm, people({"new": 1}))
        read(pull, crm, people({"new": 1}))
    alert = Event.objects.get(type="hub.alert")
    assert "new is new" in alert.data["summary"]
    assert alert.data["link"].endswith(f"/{pull.integration_id}/change/")
