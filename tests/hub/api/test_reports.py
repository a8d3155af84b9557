"""Figures of the last hours, and reports over any span: as JSON and CSV, page by page."""

import csv
import io
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from hub.metrics import rollup
from hub.metrics.models import HourFigures
from tests.factories import IntegrationFactory, IntegrationLogFactory
from tests.hub.api.conftest import API
from tests.hub.api.test_problems import check

pytestmark = pytest.mark.django_db


@pytest.fixture
def counted(api: API) -> Any:
    integration = IntegrationFactory(organization=api.organization, slug="crm")
    for outcome in ("ok", "ok", "ok", "rejected"):
        IntegrationLogFactory(integration=integration, outcome=outcome, duration_ms=30)
    IntegrationLogFactory()
    rollup.roll_up()
    return integration


def test_figures_of_the_last_hours(api: API, counted: Any) -> None:
    told = api.get("/api/integrations/metrics").json()

    assert told["integrations"][0]["deliveries"]["attempts"] == 4
    assert told["totals"]["errors"]["rejected"] == 1
    assert api.get("/api/integrations/metrics", hours="100", integration="crm").json()["hours"] == 100
    check(api.get("/api/integrations/metrics", hours="0"), 400)


@pytest.mark.parametrize("step", ["hour", "day"])
def test_reports_by_hour_and_day(api: API, counted: Any, step: str) -> None:
    [row] = api.get("/api/reports/deliveries", step=step).json()["rows"]
    failed = api.get("/api/reports/errors", step=step, integration="crm").json()

    assert (row["integration"], row["attempts"], row["success_rate"]) == ("crm", 4, 0.75)
    assert row["at"].endswith("00:00Z")
    assert failed["totals"]["rejected"] == failed["totals"]["failed"] == 1
    assert api.get("/api/reports/webhooks", step=step).json()["rows"] == []


def test_a_format_that_there_is_not_is_named(api: API) -> None:
    held = check(api.get("/api/reports/deliveries", format="xml"), 400)

    assert held["errors"] == [{"field": "format", "message": "'format' is one of: json, csv."}]


def test_as_csv(api: API, counted: Any) -> None:
    for answer in (
        api.get("/api/reports/deliveries", format="csv"),
        api.client.get("/api/reports/deliveries", headers={**api.headers, "Accept": "text/csv"}),
    ):
        assert answer.headers["Content-Type"].startswith("text/csv")
        assert ".csv" in answer.headers["Content-Disposition"]
        [row] = csv.DictReader(io.StringIO(answer.text))
        assert (row["integration"], row["attempts"]) == ("crm", "4")


def test_pages_of_whole_hours_hold_all_of_them_once(
    api: API, counted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.metrics.reports.PAGE_ROWS", 5)
    now, path = timezone.now(), "/api/reports/deliveries"
    figures = HourFigures.objects.values().get(integration=counted)
    for hours in (3, 8, 9):
        at = figures["at"] - timedelta(hours=hours)
        HourFigures.objects.create(**{**figures, "id": None, "at": at})
    wanted = {"step": "hour", "start": (now - timedelta(hours=12)).isoformat(), "end": now.isoformat()}
    found, cursor, pages = [], None, 0
    while pages == 0 or cursor:
        answer = api.get(path, **wanted, **({"cursor": cursor} if cursor else {}))
        found += answer.json()["rows"]
        cursor, pages = answer.json()["next_cursor"], pages + 1
        assert ("rel" in answer.headers.get("Link", "")) == bool(cursor)
    assert pages == 3
    assert len({row["at"] for row in found}) == len(found) == 4
    check(api.get(path, cursor="yesterday"), 400)
    for far in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"):
        assert api.get(path, cursor=far, **wanted).status_code in (200, 400)


def test_a_span_that_cannot_be(api: API) -> None:
    now, path = timezone.now(), "/api/reports/deliveries"
    check(api.get(path, start=now.isoformat(), end=(now - timedelta(days=1)).isoformat()), 400)
    check(api.get(path, start=(now - timedelta(days=401)).isoformat()), 400)
    check(api.get(path, step="year"), 400)
