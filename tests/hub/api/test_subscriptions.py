"""/api/subscriptions: made, shown, changed, rotated, tested, sampled, ended; REST hooks."""

from datetime import datetime
from typing import Any
from uuid import uuid4

import orjson
import pytest
from django.utils import timezone

from hub.accounts.models import Scope
from hub.delivery.models import QueueItem
from tests import factories as make
from tests.hub.api.conftest import API
from webhooks.models import Subscription

pytestmark = pytest.mark.django_db

NEW = {"url": "https://hooks.example.com/in", "types": ["order.*"]}
PATH = "/api/subscriptions"


def change(api: API, method: str, path: str, data: Any = None, match: str = "*") -> Any:
    body = orjson.dumps(data) if data is not None else b""
    headers = {**api.headers, **({"If-Match": match} if match else {})}
    return api.client.generic(method, path, body, "application/json", headers=headers)


def test_a_subscription_is_made_shown_and_listed(api: API) -> None:
    made = api.post(PATH, {**NEW, "name": "Orders", "rate_limit": {"count": 5, "seconds": 60}})
    assert made.status_code == 201, made.text
    body = made.json()
    assert body["secret"].startswith("whsec_")
    assert made["Location"] == f"{PATH}/{body['id']}"
    assert made["Cache-Control"] == "no-store"
    shown = api.get(made["Location"]).json()
    assert shown == {name: value for name, value in body.items() if name != "secret"}
    assert shown["rate_limit"] == {"count": 5, "seconds": 60}
    assert shown["enabled"] is True
    assert api.get(PATH).json()["results"] == [shown]
    assert body["secret"] not in api.get(PATH).text


@pytest.mark.parametrize(
    ("body", "field", "said"),
    [
        ({}, "url", "needed"),
        ({**NEW, "url": "http://hooks.example.com"}, "url", "https://"),
        ({**NEW, "url": "https://127.0.0.1/in"}, "url", "private network"),
        ({**NEW, "types": []}, "types", "At least one"),
        ({**NEW, "types": "order.*"}, "types", "list"),
        ({**NEW, "types": ["order paid"]}, "types", "letters"),
        ({**NEW, "filter": "["}, "filter", "JMESPath"),
        ({**NEW, "rate_limit": {"count": 0}}, "rate_limit", "1 to 100,000"),
        ({**NEW, "secret": "whsec_short"}, "secret", "form"),
        ({**NEW, "name": "a\x01b"}, "name", "control characters"),
        ({**NEW, "name": "n" * 200}, "name", "120"),
        ({**NEW, "organization": 7}, "organization", "no field"),
        ({**NEW, "allowed_hosts": ["10.0.0.1"]}, "allowed_hosts", "no field"),
        ({**NEW, "enabled": False}, "enabled", "no field"),
    ],
)
def test_what_is_wrong_is_told_by_field(api: API, body: dict[str, Any], field: str, said: str) -> None:
    answer = api.post(PATH, body)
    assert answer.status_code == 400, answer.text
    assert any(each["field"] == field and said in each["message"] for each in answer.json()["errors"]), (
        answer.text
    )
    assert not Subscription.objects.exists()


def test_a_patch_changes_what_it_names_and_switches(api: API) -> None:
    made, _ = make.subscription(api.organization, filter="data.total > `5`")
    path = f"{PATH}/{made.pk}"
    assert change(api, "PATCH", path, {"types": ["a.b"]}).json()["types"] == ["a.b"]
    off = change(api, "PATCH", path, {"enabled": False}).json()
    assert (off["enabled"], off["reason"]) == (False, "Switched off by the API.")
    on = change(api, "PATCH", path, {"enabled": True, "name": "New"}).json()
    assert (on["enabled"], on["reason"], on["name"], on["filter"]) == (True, "", "New", "data.total > `5`")
    refused = change(api, "PATCH", path, {"url": "https://[::1]/"})
    assert refused.status_code == 400
    assert change(api, "PATCH", path, {"id": str(uuid4())}).status_code == 400
    assert change(api, "PATCH", path, [1]).status_code == 400


def test_null_in_a_patch_brings_back_the_default(api: API) -> None:
    given = {"name": "Orders", "filter": "data.total > `5`", "rate_limit": {"count": 5, "seconds": 60}}
    path = api.post(PATH, {**NEW, **given})["Location"]
    change(api, "PATCH", path, {"enabled": False})
    changed = change(api, "PATCH", path, dict.fromkeys([*given, "enabled"]))
    assert changed.status_code == 200, changed.text
    assert {name: changed.json()[name] for name in [*given, "enabled"]} == {
        "name": "hooks.example.com",
        "filter": "",
        "rate_limit": None,
        "enabled": True,
    }
    for needed in ("url", "types"):
        refused = change(api, "PATCH", path, {needed: None})
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, needed)


def test_a_change_says_which_version_it_means(api: API) -> None:
    made = api.post(PATH, NEW)
    path, first = made["Location"], made["ETag"]
    assert api.get(path)["ETag"] == first
    assert change(api, "PATCH", path, {"name": "A"}, match="").status_code == 428
    changed = change(api, "PATCH", path, {"name": "A"}, match=first)
    assert changed.status_code == 200
    assert changed["ETag"] == api.get(path)["ETag"] != first
    assert change(api, "PATCH", path, {"name": "B"}, match=first).status_code == 412
    assert change(api, "DELETE", path, match=first).status_code == 412
    assert api.get(path).json()["name"] == "A"
    # A header that names none is a mistake; senders of REST hooks, who know no versions, leave it out.
    assert api.send("DELETE", path, If_Match="").status_code == 412
    assert change(api, "DELETE", path, match="").status_code == 204


def test_that_it_fails_makes_no_other_version(api: API) -> None:
    made = api.post(PATH, NEW)
    Subscription.objects.update(failing_since=timezone.now())
    shown = api.get(made["Location"])
    assert shown.json()["failing_since"]
    assert shown["ETag"] == made["ETag"]


def test_a_secret_is_rotated(api: API) -> None:
    made, secret = make.subscription(api.organization)
    rotated = api.post(f"{PATH}/{made.pk}/rotate", {"overlap_hours": 48}).json()
    assert rotated["secret"] != secret
    assert datetime.fromisoformat(rotated["previous_secret_until"])
    assert api.post(f"{PATH}/{made.pk}/rotate", {"overlap_hours": 0}).json()["previous_secret_until"] is None
    assert api.post(f"{PATH}/{made.pk}/rotate", {"overlap_hours": 9999}).status_code == 400
    assert api.post(f"{PATH}/{made.pk}/rotate", b"").json()["previous_secret_until"]


def test_a_test_event_is_queued_and_told(api: API) -> None:
    made, _ = make.subscription(api.organization)
    answer = api.post(f"{PATH}/{made.pk}/test", {})
    assert answer.status_code == 202
    story = api.get(answer["Location"]).json()
    assert story["type"] == "subscription.test"
    assert len(story["deliveries"]) == 1
    change(api, "PATCH", f"{PATH}/{made.pk}", {"enabled": False})
    assert api.post(f"{PATH}/{made.pk}/test", {}).status_code == 409


def test_a_subscription_ends(api: API) -> None:
    made, _ = make.subscription(api.organization)
    path = f"{PATH}/{made.pk}"
    assert change(api, "DELETE", path).status_code == 204
    assert api.get(path).status_code == 404
    assert change(api, "DELETE", path).status_code == 404
    assert api.get(PATH).json()["results"] == []


def test_rest_hooks_as_zapier_does_them(api: API) -> None:
    hook = {"target_url": "https://hooks.zapier.com/hooks/standard/1/abc", "event": "order.paid"}
    made = api.post(f"{PATH}/subscribe", hook)
    assert made.status_code == 201, made.text
    assert made.json()["types"] == ["order.paid"]
    assert made.json()["name"] == "hooks.zapier.com: order.paid"
    assert api.post(f"{PATH}/unsubscribe", {"id": made.json()["id"]}).status_code == 204
    assert api.post(f"{PATH}/unsubscribe", {"id": made.json()["id"]}).status_code == 404
    api.post(f"{PATH}/subscribe", hook)
    api.post(f"{PATH}/subscribe", {**hook, "event": "order.sent"})
    make.subscription(url=hook["target_url"])
    gone = {"target_url": hook["target_url"]}
    assert change(api, "DELETE", f"{PATH}/unsubscribe", gone).status_code == 204
    assert api.post(f"{PATH}/unsubscribe", gone).status_code == 404
    assert Subscription.objects.filter(ended_at=None).count() == 1
    assert api.post(f"{PATH}/unsubscribe", {}).status_code == 400
    refused = api.post(f"{PATH}/subscribe", {"target_url": "http://example.com", "event": "order paid"})
    assert refused.json()["errors"][0]["field"] == "target_url"


def test_a_sample_needs_no_subscription(api: API) -> None:
    make.EventFactory(organization=api.organization, type="order.paid", data={"total": 1})
    shown = api.get(f"{PATH}/sample", types="order.*, invoice.paid").json()
    assert [each["data"] for each in shown] == [{"total": 1}]
    assert api.get(f"{PATH}/sample", types="order paid").status_code == 400
    assert api.get(f"{PATH}/sample", type="order.paid").status_code == 400


def test_it_needs_its_scope_and_shows_nothing_of_strangers(api: API) -> None:
    strange, _ = make.subscription()
    for method, path in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/rotate"), ("POST", "/test")):
        assert change(api, method, f"{PATH}/{strange.pk}{path}", {}).status_code == 404
    assert not QueueItem.objects.exists()
    without = API(api.organization, [scope for scope in Scope if scope != Scope.SUBSCRIPTIONS_MANAGE])
    assert without.get(PATH).status_code == 403


def test_its_integration_is_none_of_those_that_people_connect(api: API) -> None:
    made, _ = make.subscription(api.organization)
    assert api.get("/api/integrations/status").json()["integrations"] == []
    assert api.get(f"/api/integrations/{made.integration.slug}/health").status_code == 404


def test_no_route_is_made_by_hand_to_what_a_subscription_manages(api: API) -> None:
    made, _ = make.subscription(api.organization)
    wanted = {
        "slug": "mine",
        "events": "order.*",
        "action": "subscriber.deliver",
        "integration": made.integration.slug,
    }
    answer = api.post("/api/routes", wanted)
    assert answer.status_code == 400
    assert "manages by itself" in answer.content.decode()
    assert not api.organization.routes.filter(slug="mine").exists()
