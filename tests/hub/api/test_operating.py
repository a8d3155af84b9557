"""The queue, replay, alerts, previews, data, the whole configuration, figures, reports and the catalogue."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from jsonschema import Draft202012Validator

from hub.delivery.models import IntegrationLog, QueueItem, State
from hub.events.models import Event
from integrations.base.registry import providers
from tests.factories import (
    EventFactory,
    FieldMappingFactory,
    IntegrationFactory,
    QueueItemFactory,
    RouteFactory,
)
from tests.hub.api.conftest import API
from tests.hub.api.test_problems import check

pytestmark = pytest.mark.django_db


def item(api: API, **fields: Any) -> QueueItem:
    return QueueItemFactory(integration__organization=api.organization, **fields)


class TestQueue:
    def test_listed_by_what_is_asked_for(self, api: API) -> None:
        failed, waiting = item(api, state=State.FAILED), item(api)
        QueueItemFactory()

        def ids(**query: str) -> list[str]:
            return [row["id"] for row in api.get("/api/queue", **query).json()["results"]]

        assert ids() == [str(waiting.pk), str(failed.pk)]
        assert ids(state="failed") == [str(failed.pk)]
        assert ids(integration=waiting.integration.slug) == [str(waiting.pk)]
        assert ids(event=str(failed.source_id)) == [str(failed.pk)]
        assert ids(since=(timezone.now() + timedelta(hours=1)).isoformat()) == []
        assert len(ids(until=(timezone.now() + timedelta(hours=1)).isoformat())) == 2
        for wrong in (
            {"state": "lost"},
            {"event": "x"},
            {"event": ""},
            {"since": "today"},
            {"stat": "failed"},
        ):
            check(api.get("/api/queue", **wrong), 400)

    def test_a_parameter_that_is_given_twice_is_refused(self, api: API) -> None:
        answer = api.client.get("/api/queue?limit=1&limit=2", headers=api.headers)

        assert "more than once" in check(answer, 400)["detail"]

    def test_retried_and_cancelled(self, api: API) -> None:
        failed = item(api, state=State.FAILED, attempts=9)
        path = f"/api/queue/{failed.pk}"

        assert api.post(f"{path}/retry").json()["state"] == "pending"
        assert api.get(path).json()["attempts"] == 0
        assert api.post(f"{path}/cancel").json()["state"] == "cancelled"
        assert "cancelled already" in check(api.post(f"{path}/cancel"), 409)["detail"]

    def test_what_was_delivered_is_not_retried(self, api: API) -> None:
        done = item(api, state=State.COMPLETED)

        assert "replay" in check(api.post(f"/api/queue/{done.pk}/retry"), 409)["detail"]
        check(api.post(f"/api/queue/{QueueItemFactory().pk}/retry"), 404)

    def test_many_at_once_but_nobody_elses(self, api: API) -> None:
        mine, theirs = item(api, state=State.FAILED), QueueItemFactory(state=State.FAILED)
        asked = {"items": [str(mine.pk), str(theirs.pk)]}

        assert api.post("/api/queue/retry", asked).json() == {"changed": 1, "asked": 2}
        assert api.post("/api/queue/cancel", asked).json() == {"changed": 1, "asked": 2}
        theirs.refresh_from_db()
        assert theirs.state == State.FAILED
        check(api.post("/api/queue/retry", {"items": []}), 400)


class TestEvents:
    def test_listed_by_time_and_origin(self, api: API) -> None:
        event = EventFactory(organization=api.organization, origin="webhook")

        def found(**query: str) -> int:
            return len(api.get("/api/events", **query).json()["results"])

        assert found(origin="webhook", source=event.source) == 1
        assert found(origin="api") == 0
        assert found(since=(timezone.now() - timedelta(minutes=1)).isoformat()) == 1
        assert found(until=(timezone.now() - timedelta(minutes=1)).isoformat()) == 0
        check(api.get("/api/events", origin="moon"), 400)
        check(api.get("/api/events", type="a\x00b"), 400)

    def test_replayed_to_all_or_to_some(self, api: API) -> None:
        route = RouteFactory(organization=api.organization, slug="paid")
        other = RouteFactory(organization=api.organization, slug="other", type_pattern="nothing.*")
        event = EventFactory(organization=api.organization)
        path = f"/api/events/{event.pk}/replay"

        everywhere = api.post(path, b"")
        one = api.post(path, {"routes": ["other"]})

        assert everywhere.status_code == one.status_code == 202
        assert [row["outcome"] for row in everywhere.json()["decisions"]] == ["queued"]
        assert everywhere.json()["items"][0]["integration"] == route.integration.slug
        assert one.json()["items"][0]["integration"] == other.integration.slug
        assert QueueItem.objects.count() == 2
        check(api.post(path, {"routes": [RouteFactory().slug + "-x"]}), 400)
        check(api.post(path, b"\r\n"), 400)
        check(api.post(f"/api/events/{EventFactory().pk}/replay", b""), 404)


class TestAlerts:
    ALERT = {"summary": "Import did not finish", "severity": "critical", "dedup_key": "import"}

    def test_an_alert_travels_like_an_event(self, api: API) -> None:
        pager = IntegrationFactory(organization=api.organization, provider_slug="pagerduty")
        RouteFactory(
            organization=api.organization,
            integration=pager,
            type_pattern="hub.alert",
            action="incident.trigger",
            filter="data.severity == 'critical'",
        )

        raised = api.post("/api/integrations/alert", self.ALERT)

        assert raised.status_code == 202, raised.text
        assert raised.json()["items"] == 1
        assert raised.json()["warnings"] == []
        event = Event.objects.get()
        assert (event.type, event.subject, event.data["summary"]) == (
            "hub.alert",
            "import",
            self.ALERT["summary"],
        )
        made = providers()["pagerduty"].action("incident.trigger").input.model_validate(event.data)
        assert made.severity == "critical"

    def test_one_that_nobody_hears_says_so(self, api: API) -> None:
        assert "make a route" in api.post("/api/integrations/alert", {"summary": "x"}).json()["warnings"][0]

    def test_listed_by_severity(self, api: API) -> None:
        api.post("/api/integrations/alert", self.ALERT)
        api.post("/api/integrations/alert", {"summary": "x", "severity": "info"})
        EventFactory(organization=api.organization)

        assert len(api.get("/api/integrations/alert").json()["results"]) == 2
        [row] = api.get("/api/integrations/alert", severity="critical").json()["results"]
        assert row["data"]["dedup_key"] == "import"

    def test_what_no_incident_system_takes_is_refused(self, api: API) -> None:
        for wrong in (
            {},
            {"summary": ""},
            {"summary": "x", "severity": "loud"},
            {"summary": "x", "details": []},
        ):
            check(api.post("/api/integrations/alert", wrong), 400)


class TestPreview:
    RULES = [{"source": "data.email", "target": "email", "transforms": []}]

    def test_rules_on_data_and_a_stored_mapping_on_an_event(self, api: API) -> None:
        FieldMappingFactory(organization=api.organization, slug="m", rules=self.RULES)
        event = EventFactory(organization=api.organization)

        given = api.post("/api/mappings/preview", {"rules": self.RULES, "data": {"email": "a@b.example"}})
        stored = api.post("/api/mappings/preview", {"mapping": "m", "event": str(event.pk)})

        assert given.json()["input"] == {"email": "a@b.example"}
        assert stored.json()["input"] == {"email": "ann@example.com"}

    def test_with_an_integration_the_request_is_shown_masked(self, api: API) -> None:
        integration = IntegrationFactory(
            organization=api.organization,
            provider_slug="stripe",
            credential__secrets={"api_key": "rk_test_4eC39HqLyjWDarjtT1zdp7dc"},
        )
        asked = {
            "integration": integration.slug,
            "action": "stripe.refund",
            "rules": [{"source": "data.charge", "target": "charge", "transforms": []}],
            "data": {"charge": "ch_1Nirm82eZvKYlo2CIvbtLWuY"},
        }

        answer = api.post("/api/mappings/preview", asked)

        assert answer.json()["requests"], answer.text
        assert "rk_test_" not in answer.text
        assert not IntegrationLog.objects.exists()

    def test_an_event_needs_the_scope_to_read_events(self, api: API) -> None:
        event = EventFactory(organization=api.organization)
        reader = API(api.organization, ["config:read"])

        check(reader.post("/api/mappings/preview", {"event": str(event.pk)}), 403)
        check(api.post("/api/mappings/preview", {"event": str(EventFactory().pk)}), 404)
        check(api.post("/api/mappings/preview", {"rules": [{"source": "(", "target": "x"}]}), 400)


class TestData:
    @pytest.fixture
    def hubspot(self, api: API) -> Any:
        return IntegrationFactory(
            organization=api.organization,
            provider_slug="hubspot",
            slug="crm",
            auth_key="private_app",
            credential__secrets={"access_token": "pat-eu1-11111111"},
        )

    def test_a_page_and_the_next_one(self, api: API, hubspot: Any, door: Any) -> None:
        door.answer(
            "*", lambda sent: True, json={"results": [{"id": "1"}], "paging": {"next": {"after": "9"}}}
        )

        first = api.get("/api/integrations/data/crm")

        assert first.status_code == 200, first.text
        assert first.json()["results"][0]["id"] == "1"
        second = api.get("/api/integrations/data/crm", cursor=first.json()["next_cursor"])
        assert second.status_code == 200
        assert "9" in str(door.requests[-1].query) + door.requests[-1].body.decode()
        assert IntegrationLog.objects.filter(kind="sync", outcome="ok").count() == 2

    def test_a_cursor_that_the_hub_did_not_make_asks_nobody(self, api: API, hubspot: Any, door: Any) -> None:
        check(api.get("/api/integrations/data/crm", cursor="https://evil.example/"), 400)
        check(api.get("/api/integrations/data/crm", pull="nothing"), 400)
        assert not door.requests

    def test_what_goes_wrong_there_is_told_and_logged(self, api: API, hubspot: Any, door: Any) -> None:
        door.answer("*", lambda sent: True, 500, json={"message": "pat-eu1-11111111 is broken"}, times=1)
        door.answer("*", lambda sent: True, 429, headers={"Retry-After": "7"}, times=1)

        answer = api.get("/api/integrations/data/crm")
        check(answer, 424)
        assert "pat-eu1-11111111" not in answer.text
        limited = api.get("/api/integrations/data/crm")
        check(limited, 429)
        assert (
            1
            <= int(check(api.get("/api/integrations/data/crm"), 409) and limited.headers["Retry-After"])
            <= 60
        )
        assert len(door.requests) == 2

    def test_one_that_is_paused_is_not_asked(self, api: API, hubspot: Any, door: Any) -> None:
        hubspot.pause("By hand.")

        assert "paused" in check(api.get("/api/integrations/data/crm"), 409)["detail"]
        assert not door.requests


class TestConfig:
    PATH = "/api/integrations/config"

    def route(self, api: API, **fields: Any) -> None:
        """A route to an integration that is set up as its provider wants it."""
        target = {"integration__settings": {"url": "https://example.com/in"}, "integration__auth_key": "none"}
        RouteFactory(organization=api.organization, **target, **fields)

    def test_what_was_read_changes_nothing(self, api: API) -> None:
        self.route(api)
        read = api.get(self.PATH)

        planned = api.send("PUT", f"{self.PATH}?dry_run=1", read.json())
        put = api.send("PUT", self.PATH, read.json(), If_Match=read.headers["ETag"])

        assert planned.json()["changes"] == put.json()["changes"] == []
        assert put.headers["ETag"] == read.headers["ETag"]

    def test_a_plan_keeps_nothing_and_applying_does(self, api: API) -> None:
        document = {
            "organization": {"slug": api.organization.slug},
            "integrations": [
                {"slug": "pay", "provider": "stripe", "credential_env": {"api_key": "ACME_KEY"}},
            ],
            "credentials": {"ACME_KEY": "rk_test_4eC39HqLyjWDarjtT1zdp7dc"},
        }

        planned = api.send("PUT", f"{self.PATH}?dry_run=1", document).json()
        assert [change["kind"] for change in planned["changes"]] == ["create"]
        assert not api.organization.integrations.exists()
        check(api.send("PUT", self.PATH, document), 428)
        tag = api.get(self.PATH).headers["ETag"]
        put = api.send("PUT", self.PATH, document, If_Match=tag)
        assert put.status_code == 200, put.text
        assert "rk_test_" not in put.text + api.get(self.PATH).text
        check(api.send("PUT", self.PATH, document, If_Match=tag), 412)

    def test_the_hubs_own_environment_is_not_read(self, api: API, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HUB_PLANTED", "rk_test_4eC39HqLyjWDarjtT1zdp7dc")
        entry = {"slug": "pay", "provider": "stripe", "credential_env": {"api_key": "HUB_PLANTED"}}
        document = {"organization": {"slug": api.organization.slug}, "integrations": [entry]}

        held = check(api.send("PUT", self.PATH, document, If_Match="*"), 400)

        assert "HUB_PLANTED is not set" in held["detail"]

    def test_another_organizations_document_is_not_taken(self, api: API) -> None:
        theirs = RouteFactory().organization
        document = {"organization": {"slug": theirs.slug, "name": "Mine now"}}

        check(api.send("PUT", f"{self.PATH}?prune=1", document, If_Match="*"), 400)
        theirs.refresh_from_db()
        assert theirs.routes.exists()
        assert theirs.name != "Mine now"

    def test_pruned_only_when_asked(self, api: API) -> None:
        RouteFactory(organization=api.organization)
        empty = {"organization": {"slug": api.organization.slug}}

        assert api.send("PUT", self.PATH, empty, If_Match="*").json()["changes"] == []
        kinds = Counter(
            each["kind"]
            for each in api.send("PUT", f"{self.PATH}?prune=1", empty, If_Match="*").json()["changes"]
        )
        assert kinds == {"delete": 2}

    def test_reloading_names_what_no_longer_fits(self, api: API) -> None:
        self.route(api, action="http.gone", slug="old")

        told = api.post(f"{self.PATH}/reload").json()

        assert told["routes"] == 1
        assert told["problems"][0]["place"] == "routes[0].action"


def test_the_catalogue_says_what_can_be_connected(api: API) -> None:
    listed = api.get("/api/providers", action="incident.trigger").json()["providers"]
    assert "pagerduty" in [each["slug"] for each in listed]

    stripe = api.get("/api/providers/stripe").json()
    assert stripe["auth"][0]["credential"]["properties"]["api_key"]["writeOnly"] is True
    assert {"type", "properties"} <= set(stripe["actions"][0]["input"])
    for slug in providers():
        told = api.get(f"/api/providers/{slug}").json()
        forms = [action["input"] for action in told["actions"]]
        forms += [each[name] for each in told["auth"] for name in ("settings", "credential")]
        forms += [told["webhook"]["credential"]] if told["webhook"] else []
        for form in forms:
            Draft202012Validator.check_schema(form)
    check(api.get("/api/providers/none"), 404)
    check(api.get("/api/providers", category="none"), 400)
