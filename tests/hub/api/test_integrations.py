"""Integrations by the API: an organization sees its own, and how they do."""

from typing import Any

import pytest
from django.utils import timezone

from hub.connections.models import Integration, Status
from hub.delivery.models import IntegrationLog, LogKind, State
from tests.conftest import Door
from tests.factories import IntegrationFactory, IntegrationLogFactory, QueueItemFactory
from tests.hub.api.conftest import API

pytestmark = pytest.mark.django_db


@pytest.fixture
def mine(api: API) -> Integration:
    IntegrationFactory(slug="theirs")
    return IntegrationFactory(organization=api.organization, slug="mine", name="Mine")


def test_status_lists_the_organizations_own(api: API, mine: Integration) -> None:
    mine.pause("Holidays")

    rows = api.get("/api/integrations/status").json()["integrations"]

    assert [row["slug"] for row in rows] == ["mine"]
    assert (rows[0]["status"], rows[0]["status_reason"], rows[0]["last_test"]) == ("paused", "Holidays", None)


def test_health_judges_each_and_tells_the_worst(api: API, mine: Integration) -> None:
    IntegrationFactory(organization=api.organization, name="Other", status=Status.RECONNECT)
    IntegrationLogFactory.create_batch(3, integration=mine)
    QueueItemFactory(integration=mine)

    held = api.get("/api/integrations/health").json()

    assert held["health"] == "reconnect"
    first = held["integrations"][0]
    assert (first["health"], first["success_rate_24h"], first["queue_depth"]) == ("ok", 1.0, 1)
    assert first["oldest_due"]


@pytest.mark.parametrize("by", ["slug", "id"])
def test_health_of_one(api: API, mine: Integration, by: str) -> None:
    IntegrationLogFactory(integration=mine, outcome="permanent", message="No such field.", hint="Mend it.")
    IntegrationLogFactory(integration=IntegrationFactory(organization=api.organization), outcome="permanent")

    held = api.get(f"/api/integrations/{getattr(mine, by)}/health").json()

    assert held["health"] == "degraded"
    assert len(held["hours"]) == 24
    assert held["hours"][-1]["failed"] == 1
    assert [problem["message"] for problem in held["problems"]] == ["No such field."]


def test_another_organizations_integration_is_not_there(api: API, mine: Integration) -> None:
    stranger = Integration.objects.get(slug="theirs")

    for named in ("theirs", str(stranger.pk), "nothing"):
        assert api.get(f"/api/integrations/{named}/health").status_code == 404
        assert api.post(f"/api/integrations/test/{named}").status_code == 404
        assert api.get("/api/integrations/logs", integration=named).status_code == 404


def test_runs_the_connection_test(api: API, door: Door) -> None:
    found = IntegrationFactory(
        organization=api.organization,
        provider_slug="stripe",
        slug="pay",
        credential__secrets={"secret_key": "sk_test_00000000000000000000000000"},
    )
    door.answer("GET", lambda sent: True, 401, json={"error": {"message": "Invalid API Key provided"}})

    answer = api.post("/api/integrations/test/pay")

    assert answer.status_code == 200
    held = answer.json()
    assert held["ok"] is False
    assert held["hint"]
    found.refresh_from_db()
    assert found.test_ok is False
    assert IntegrationLog.objects.get().kind == LogKind.TEST


class TestLogs:
    def test_filters_and_pages(self, api: API, mine: Integration) -> None:
        item = QueueItemFactory(integration=mine)
        exchanges = [{"method": "POST", "url": "https://x.example"}]
        delivered = IntegrationLogFactory(
            integration=mine, item_id=item.pk, source_id=item.source_id, exchanges=exchanges
        )
        IntegrationLogFactory(integration=mine, kind=LogKind.TEST, outcome="failed")
        IntegrationLogFactory()  # somebody else's

        def ids(**query: str) -> list[int]:
            return [row["log_id"] for row in api.get("/api/integrations/logs", **query).json()["results"]]

        assert len(ids()) == 2
        assert ids(kind="delivery") == ids(outcome="ok") == ids(event=str(item.source_id)) == [delivered.pk]
        assert ids(item=str(item.pk), integration="mine") == [delivered.pk]
        page = api.get("/api/integrations/logs", limit="1").json()
        assert page["results"][0]["kind"] == "test"
        assert ids(limit="1", cursor=page["next_cursor"]) == [delivered.pk]

    def test_shows_exchanges_only_when_asked(self, api: API, mine: Integration) -> None:
        IntegrationLogFactory(integration=mine, exchanges=[{"method": "POST"}])

        plain = api.get("/api/integrations/logs").json()["results"][0]
        full = api.get("/api/integrations/logs", exchanges="true").json()["results"][0]

        assert "exchanges" not in plain
        assert full["exchanges"] == [{"method": "POST"}]

    @pytest.mark.parametrize(
        "query", [{"kind": "x"}, {"event": "x"}, {"item": "x"}, {"exchanges": "x"}, {"x": "y"}]
    )
    def test_refuses_wrong_parameters(self, api: API, query: dict[str, str]) -> None:
        answer = api.get("/api/integrations/logs", **query)

        assert answer.status_code == 400
        assert [error["field"] for error in answer.json()["errors"]] == list(query)


def test_number_of_queries_does_not_grow(api: API, django_assert_max_num_queries: Any) -> None:
    for _ in range(10):
        integration = IntegrationFactory(organization=api.organization)
        IntegrationLogFactory(integration=integration, created_at=timezone.now())
        QueueItemFactory(integration=integration, state=State.FAILED)
    api.get("/api/integrations/status")

    with django_assert_max_num_queries(5):
        api.get("/api/integrations/health")
    with django_assert_max_num_queries(3):
        api.get("/api/integrations/logs")
