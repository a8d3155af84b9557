"""Integrations, mappings, routes and webhook endpoints: made, changed and removed by the API."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from hub.connections.models import Credential, Integration, Status
from hub.events.models import Route
from tests.factories import (
    FieldMappingFactory,
    IntegrationFactory,
    RouteFactory,
    RouteFallbackFactory,
    SyncFactory,
    WebhookEndpointFactory,
)
from tests.hub.api.conftest import API
from tests.hub.api.test_problems import check
from tests.security.addresses import operations
from webhooks.models import WebhookEndpoint

pytestmark = pytest.mark.django_db
STRIPE = {
    "slug": "stripe-eu",
    "provider": "stripe",
    "name": "Stripe Europe",
    "credential": {"api_key": "rk_test_4eC39HqLyjWDarjtT1zdp7dc"},
    "limits": {"rate_count": 7},
}


@pytest.fixture
def stripe(api: API) -> Any:
    """What the API answered when it was made."""
    answer = api.post("/api/integrations", STRIPE)
    assert answer.status_code == 201, answer.text
    return answer


class TestIntegrations:
    def test_the_descriptions_example_is_taken_as_it_stands(self, api: API) -> None:
        found = {(method, path): operation for method, path, operation in operations()}
        content = found["post", "/api/integrations"]["requestBody"]["content"]["application/json"]
        for example in content["examples"].values():
            answer = api.post("/api/integrations", example["value"])
            assert answer.status_code == 201, answer.text

    def test_made_with_secrets_that_never_come_back(self, api: API, stripe: Any) -> None:
        held = stripe.json()

        assert held["credential_set"] == ["api_key"]
        assert held["limits"]["rate_count"] == 7
        assert held["status"] == "active"
        row = Integration.objects.get(organization=api.organization)
        assert Credential.objects.get(integration=row).secrets["api_key"].startswith("rk_test_")
        assert stripe.headers["Location"] == "/api/integrations/stripe-eu"
        for answer in (stripe, api.get("/api/integrations"), api.get(f"/api/integrations/{row.pk}")):
            assert "rk_test_" not in answer.text

    def test_listed_by_provider_page_by_page(self, api: API, stripe: Any) -> None:
        IntegrationFactory(organization=api.organization)

        assert [row["slug"] for row in api.get("/api/integrations", provider="stripe").json()["results"]] == [
            "stripe-eu"
        ]
        first = api.get("/api/integrations", limit="1").json()
        second = api.get("/api/integrations", limit="1", cursor=first["next_cursor"]).json()
        assert second["results"][0]["slug"] == "stripe-eu"
        assert second["next_cursor"] is None

    def test_every_mistake_is_named(self, api: API) -> None:
        wrong = {"slug": "x y", "provider": 5, "limits": {"rate_count": 0}, "colour": "red"}

        errors = {
            each["field"]: each["message"]
            for each in check(api.post("/api/integrations", wrong), 400)["errors"]
        }

        assert set(errors) == {"slug", "provider", "limits.rate_count", "colour"}
        assert "no such field" in errors["colour"]

    def test_what_the_provider_needs_is_told(self, api: API) -> None:
        bare = {"slug": "s", "provider": "stripe"}

        [told] = check(api.post("/api/integrations", bare), 400)["errors"]
        assert told["field"] == "credential.api_key"
        assert not told["message"].endswith("..")
        secret = {**bare, "settings": {"api_key": "rk_test_4eC39HqLyjWDarjtT1zdp7dc"}}
        assert check(api.post("/api/integrations", secret), 400)["errors"][0]["field"] == "settings.api_key"
        unknown = check(api.post("/api/integrations", {"slug": "s", "provider": "stripes"}), 400)
        assert "stripe" in unknown["detail"]

    def test_a_slug_that_is_taken_is_a_conflict(self, api: API, stripe: Any) -> None:
        held = check(api.post("/api/integrations", STRIPE), 409)
        assert held["detail"].startswith("There is an integration")

    def test_a_patch_changes_what_it_names(self, api: API, stripe: Any) -> None:
        answer = api.patch(
            "/api/integrations/stripe-eu", {"limits": {"quick_tries": 5}}, stripe.headers["ETag"]
        )

        assert answer.status_code == 200, answer.text
        assert answer.json()["limits"]["rate_count"] == 7
        assert answer.json()["limits"]["quick_tries"] == 5
        assert answer.json()["name"] == "Stripe Europe"
        assert answer.headers["ETag"] != stripe.headers["ETag"]
        assert answer.headers["ETag"] == api.get("/api/integrations/stripe-eu").headers["ETag"]

    def test_null_brings_back_the_default(self, api: API, stripe: Any) -> None:
        api.patch("/api/integrations/stripe-eu", {"settings": {"api_version": "2024-06-20"}})

        answer = api.patch(
            "/api/integrations/stripe-eu", {"limits": {"rate_count": None}, "settings": {"api_version": None}}
        )

        assert answer.json()["limits"]["rate_count"] is None
        assert answer.json()["settings"].get("api_version") != "2024-06-20"

    def test_a_new_secret_ends_needing_to_reconnect(self, api: API, stripe: Any) -> None:
        row = Integration.objects.get()
        row.hold_for_reconnect("The key was refused.")

        new = {"credential": {"api_key": "rk_test_51HqLyjWDarjtT1zdp7dcABC"}}
        answer = api.patch("/api/integrations/stripe-eu", new)

        assert answer.json()["status"] == Status.ACTIVE
        assert Credential.objects.get().secrets == new["credential"]

    def test_paused_and_resumed(self, api: API, stripe: Any) -> None:
        assert api.patch("/api/integrations/stripe-eu", {"paused": True}).json()["status"] == Status.PAUSED
        assert api.patch("/api/integrations/stripe-eu", {"name": "S"}).json()["paused"] is True
        assert api.patch("/api/integrations/stripe-eu", {"paused": False}).json()["status"] == Status.ACTIVE

    def test_slug_and_provider_stay(self, api: API, stripe: Any) -> None:
        check(api.patch("/api/integrations/stripe-eu", {"slug": "other"}), 400)
        check(api.patch("/api/integrations/stripe-eu", {"provider": "slack"}), 400)

    def test_removed_only_while_nothing_needs_it(self, api: API, stripe: Any) -> None:
        row = Integration.objects.get()
        route = RouteFactory(organization=api.organization, integration=row, slug="paid")
        WebhookEndpointFactory(integration=row, slug="hook")

        held = check(api.delete("/api/integrations/stripe-eu"), 409)
        assert "the route 'paid'" in held["detail"]
        assert "the webhook endpoint 'hook'" in held["detail"]
        route.delete()
        WebhookEndpoint.objects.all().delete()
        assert api.delete("/api/integrations/stripe-eu").status_code == 204
        check(api.get("/api/integrations/stripe-eu"), 404)


class TestVersions:
    @pytest.mark.parametrize("method", ["PATCH", "DELETE"])
    def test_a_change_says_which_version_it_means(self, api: API, stripe: Any, method: str) -> None:
        path = "/api/integrations/stripe-eu"

        check(api.send(method, path, {}), 428)
        check(api.send(method, path, {}, If_Match='"another"'), 412)
        check(api.send(method, path, {}, If_Match="no tag"), 412)
        api.patch(path, {"name": "Changed meanwhile"})
        check(api.send(method, path, {}, If_Match=stripe.headers["ETag"]), 412)

    def test_one_of_several_may_fit(self, api: API, stripe: Any) -> None:
        tags = f'"another", {stripe.headers["ETag"]}'

        assert api.patch("/api/integrations/stripe-eu", {"name": "N"}, tags).status_code == 200

    def test_a_change_in_the_admin_counts(self, api: API, stripe: Any) -> None:
        Integration.objects.get().pause("By hand.")

        check(api.patch("/api/integrations/stripe-eu", {"name": "N"}, stripe.headers["ETag"]), 412)


class TestMappings:
    RULES = [{"source": "data.email", "target": "email", "transforms": [{"name": "lowercase"}]}]

    def test_rules_are_checked_against_the_action(self, api: API) -> None:
        wrong = {"slug": "m", "provider": "stripe", "action": "stripe.refund", "rules": [{"source": "("}]}

        errors = check(api.post("/api/mappings", wrong), 400)["errors"]

        assert errors[0]["field"].startswith("rules")

    def test_made_changed_and_deleted(self, api: API) -> None:
        made = api.post("/api/mappings", {"slug": "m", "rules": self.RULES[:0]})
        assert made.status_code == 201, made.text
        assert made.json()["name"] == "m"

        changed = api.patch("/api/mappings/m", {"name": "Orders", "rules": []}, made.headers["ETag"])
        assert changed.json()["name"] == "Orders"
        assert api.delete("/api/mappings/m", changed.headers["ETag"]).status_code == 204

    def test_one_in_use_stays(self, api: API) -> None:
        mapping = FieldMappingFactory(organization=api.organization, slug="m")
        RouteFactory(organization=api.organization, mapping=mapping, slug="paid")
        SyncFactory(type__organization=api.organization, mapping=mapping, slug="daily")

        held = check(api.delete("/api/mappings/m"), 409)

        assert "the route 'paid', the sync 'daily'" in held["detail"]


class TestRoutes:
    def test_made_with_fallbacks_changed_and_deleted(self, api: API) -> None:
        for slug in ("first", "second"):
            IntegrationFactory(organization=api.organization, slug=slug)
        sent = {
            "slug": "paid",
            "events": "order.*",
            "integration": "first",
            "action": "http.send",
            "priority": "high",
            "fallbacks": [{"integration": "second", "action": "http.send"}],
        }

        made = api.post("/api/routes", sent)

        assert made.status_code == 201, made.text
        row = Route.objects.get()
        assert row.fallbacks.get().integration.slug == "second"
        changed = api.patch("/api/routes/paid", {"enabled": False, "fallbacks": None}, made.headers["ETag"])
        assert changed.json()["enabled"] is False
        assert changed.json()["fallbacks"] == []
        assert changed.json()["priority"] == "high"
        assert api.get(f"/api/routes/{row.pk}").json() == changed.json()
        assert api.delete("/api/routes/paid").status_code == 204

    def test_what_it_names_must_be_there(self, api: API) -> None:
        IntegrationFactory(slug="theirs")
        sent = {"slug": "x", "events": "a b", "integration": "theirs", "action": "http.send", "filter": "(("}

        fields = {each["field"] for each in check(api.post("/api/routes", sent), 400)["errors"]}

        assert fields == {"events", "integration", "filter"}

    def test_the_impact_of_one_stored_or_described(self, api: API) -> None:
        from tests.factories import EventFactory

        route = RouteFactory(organization=api.organization, slug="paid")
        EventFactory.create_batch(3, organization=api.organization)

        stored = api.post("/api/routes/impact", {"route": "paid"}).json()
        described = api.post(
            "/api/routes/impact",
            {
                "events": "order.*",
                "filter": "data.total == '0'",
                "integration": route.integration.slug,
                "days": 1,
            },
        ).json()

        assert stored["matching_events"] == 3
        assert stored["destinations"][0]["integration"] == route.integration.slug
        assert described["matching_events"] == 0
        check(api.post("/api/routes/impact", {"route": "paid", "filter": "x"}), 400)
        check(api.post("/api/routes/impact", {"events": "a b"}), 400)
        check(api.post("/api/routes/impact", {"route": "other"}), 404)


class TestEndpoints:
    def test_the_address_is_told_once(self, api: API, stripe: Any) -> None:
        sent = {
            "slug": "hook",
            "integration": "stripe-eu",
            "credential": {"webhook_signing_secret": "whsec_5d41402abc4b2a76"},
        }

        made = api.post("/api/webhook-endpoints", sent)

        assert made.status_code == 201, made.text
        row = WebhookEndpoint.objects.get()
        assert made.json()["address"].endswith(row.path)
        assert made.json()["credential_set"] == ["webhook_signing_secret"]
        for path in ("/api/webhook-endpoints", "/api/webhook-endpoints/hook"):
            assert row.path not in api.get(path).text
            assert "whsec_" not in api.get(path).text
        renewed = api.post("/api/webhook-endpoints/hook/address")
        assert renewed.json()["address"] != made.json()["address"]

    def test_a_call_changes_no_version(self, api: API, stripe: Any) -> None:
        from django.utils import timezone

        made = api.post("/api/webhook-endpoints", {"slug": "hook", "integration": "stripe-eu"})
        WebhookEndpoint.objects.update(last_call_at=timezone.now())

        changed = api.patch("/api/webhook-endpoints/hook", {"enabled": False}, made.headers["ETag"])

        assert changed.json()["enabled"] is False
        assert api.delete("/api/webhook-endpoints/hook").status_code == 204


def test_scopes_part_reading_from_writing(api: API, stripe: Any) -> None:
    reader = API(api.organization, ["integrations:read", "config:read"])

    for path in ("/api/integrations", "/api/mappings", "/api/routes", "/api/webhook-endpoints"):
        assert reader.get(path).status_code == 200
        check(reader.post(path, {}), 403)
    check(reader.patch("/api/integrations/stripe-eu", {}), 403)
    check(reader.delete("/api/integrations/stripe-eu"), 403)
    check(reader.send("PUT", "/api/integrations/config", {}), 403)


@pytest.mark.parametrize(
    "address", ["integrations", "routes", "mappings", "webhook-endpoints", "integrations/config"]
)
def test_a_list_asks_no_more_for_more_rows(api: API, address: str) -> None:
    def one_more() -> None:
        integration = IntegrationFactory(organization=api.organization, credential__secrets={"token": "t"})
        mapping = FieldMappingFactory(organization=api.organization)
        route = RouteFactory(organization=api.organization, integration=integration, mapping=mapping)
        RouteFallbackFactory(route=route, integration=integration, mapping=mapping, action="http.send")
        WebhookEndpointFactory(integration=integration)

    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert api.get(f"/api/{address}").status_code == 200
        return len(queries)

    one_more()
    asked()
    few = asked()
    for _ in range(3):
        one_more()

    assert asked() == few


def test_the_fallbacks_of_a_listed_route_are_in_order(api: API) -> None:
    route = RouteFactory(organization=api.organization)
    for position in (3, 1, 2):
        way = IntegrationFactory(organization=api.organization, slug=f"way-{position}")
        RouteFallbackFactory(route=route, integration=way, position=position)

    (listed,) = api.get("/api/routes").json()["results"]

    assert [each["integration"] for each in listed["fallbacks"]] == ["way-1", "way-2", "way-3"]
