"""Every POST of the description is done once per ``Idempotency-Key``, or says why it takes none."""

from collections.abc import Callable
from typing import Any

import pytest

from hub.delivery.models import State
from hub.lib import outbound, throttle
from hub.sync.models import Conflict, ExternalLink
from hub.sync.starting import start
from tests import factories as make
from tests.hub.api.conftest import API
from tests.hub.api.test_problems import check
from tests.security.addresses import operations, photograph

pytestmark = pytest.mark.django_db
POSTS = {path: operation for method, path, operation in operations() if method == "post"}
#: How people get tokens.
PUBLIC = "/api/auth/"
#: Events are known by keys of their own: tests/hub/api/test_events.py.
EVENTS = "/api/events"
#: What is called, with which body and with which other one.
Call = tuple[str, Any, Any]


class Calls:
    """A call of every POST that does something."""

    def __init__(self, api: API):
        self.organization = own = api.organization
        self.integration = make.IntegrationFactory(organization=own, slug="crm")
        self.event = make.EventFactory(organization=own)
        failed = make.QueueItemFactory(integration=self.integration, event=self.event, state=State.FAILED)
        waiting = make.QueueItemFactory(integration=self.integration, event=self.event)
        route = make.RouteFactory(organization=own, integration=self.integration)
        mapping = {"slug": "contacts", "name": "Contacts"}
        url = "https://shop.example.com/hook"
        hook = make.subscription(own)[0]
        wanted = {"slug": "more", "provider": "http", "settings": {"url": "https://api.example.com"}}
        self.kind = make.RecordTypeFactory(organization=own, name="customer")
        self.makers: dict[str, Callable[[], Call]] = {
            "/api/events/{id}/replay": lambda: (
                f"/api/events/{self.event.pk}/replay",
                {"routes": [route.slug]},
                {},
            ),
            "/api/queue/retry": lambda: ("", {"items": [str(failed.pk)]}, {"items": [str(waiting.pk)]}),
            "/api/queue/cancel": lambda: ("", {"items": [str(waiting.pk)]}, {"items": [str(failed.pk)]}),
            "/api/queue/{id}/retry": lambda: (f"/api/queue/{failed.pk}/retry", None, {}),
            "/api/queue/{id}/cancel": lambda: (f"/api/queue/{waiting.pk}/cancel", None, {}),
            "/api/integrations": lambda: ("", wanted, {**wanted, "slug": "other"}),
            "/api/integrations/alert": lambda: ("", {"summary": "It broke"}, {"summary": "It broke again"}),
            "/api/integrations/config/reload": lambda: ("", None, {}),
            "/api/integrations/sync": self._sync,
            "/api/integrations/test/{integration}": lambda: ("/api/integrations/test/crm", None, {}),
            "/api/mappings": lambda: ("", mapping, {**mapping, "slug": "other"}),
            "/api/mappings/preview": lambda: ("", self._preview("one"), self._preview("two")),
            "/api/routes": lambda: ("", self._route("a"), self._route("b")),
            "/api/routes/impact": lambda: ("", {"route": route.slug}, {"route": route.slug, "days": 3}),
            "/api/webhook-endpoints": lambda: ("", self._endpoint("a"), self._endpoint("b")),
            "/api/webhook-endpoints/{endpoint}/address": self._address,
            "/api/subscriptions": lambda: ("", {"url": url, "types": ["a.b"]}, {"url": url, "types": ["b"]}),
            "/api/subscriptions/subscribe": lambda: (
                "",
                {"target_url": url, "event": "a.b"},
                {"target_url": url, "event": "b"},
            ),
            "/api/subscriptions/unsubscribe": lambda: ("", {"id": str(hook.pk)}, {"target_url": hook.url}),
            "/api/subscriptions/{id}/rotate": lambda: (
                f"/api/subscriptions/{hook.pk}/rotate",
                {},
                {"overlap_hours": 1},
            ),
            "/api/subscriptions/{id}/test": lambda: (f"/api/subscriptions/{hook.pk}/test", None, {}),
            "/api/records/{type}/bulk": lambda: ("/api/records/customer/bulk", b'{"id": "1"}\n', None),
            "/api/sync-runs/{id}/{deed}": self._deed,
            "/api/sync-conflicts/{id}": self._conflict,
        }

    def of(self, path: str) -> Call:
        address, body, other = self.makers[path]()
        return address or path, body, other

    def _route(self, slug: str) -> dict[str, Any]:
        return {"slug": slug, "events": "a.b", "integration": "crm", "action": "http.send"}

    def _preview(self, word: str) -> dict[str, Any]:
        return {"rules": [{"source": "subject", "target": "email"}], "data": {"subject": word}}

    def _endpoint(self, slug: str) -> dict[str, Any]:
        return {"slug": slug, "integration": "crm"}

    def _address(self) -> Call:
        endpoint = make.WebhookEndpointFactory(integration=self.integration)
        return f"/api/webhook-endpoints/{endpoint.slug}/address", None, {}

    def _sync(self) -> Call:
        make.SyncFactory(type=self.kind, integration=self.integration)
        asked = {"integration": "crm", "type": "customer", "direction": "push"}
        return "", asked, {**asked, "dry_run": True}

    def _deed(self) -> Call:
        run = start(make.SyncFactory(type=self.kind, integration=self.integration))
        return f"/api/sync-runs/{run.pk}/pause", None, {}

    def _conflict(self) -> Call:
        sync = make.SyncFactory(type=self.kind, integration=self.integration)
        record = make.RecordFactory(type=self.kind)
        ExternalLink.objects.create(record=record, integration=self.integration, read={})
        fields = {"name": {"hub": "Anna", "provider": "Anne"}}
        row = Conflict.objects.create(
            organization=self.organization,
            sync=sync,
            integration=self.integration,
            record=record,
            fields=fields,
        )
        return f"/api/sync-conflicts/{row.pk}", {"choice": "hub"}, {"choice": "provider"}


def test_no_post_is_left_out(api: API) -> None:
    keyed = {path for path in POSTS if not path.startswith(PUBLIC)}
    assert set(Calls(api).makers) == keyed - {EVENTS}
    for path, operation in POSTS.items():
        names = {each["name"] for each in operation.get("parameters", [])}
        assert ("Idempotency-Key" in names) == (path in keyed)
        if path not in keyed:
            assert "Idempotency-Key" in operation["description"], "Say why it takes none."


@pytest.mark.parametrize("path", [path for path in POSTS if not path.startswith(PUBLIC) and path != EVENTS])
def test_it_is_done_once(api: API, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    asked = []

    def send(method: str, url: str, *_: Any) -> outbound.Response:
        asked.append(url)
        return outbound.Response(200, {"content-type": "application/json"}, b"{}", url)

    monkeypatch.setattr(outbound, "send", send)
    address, body, other = Calls(api).of(path)
    raw = body if body is not None else b""
    kind = "application/x-ndjson" if path.endswith("/bulk") else "application/json"

    first = api.post(address, raw, kind, Idempotency_Key="once")
    assert first.status_code < 300, first.text
    there, calls = photograph(), len(asked)
    again = api.post(address, raw, kind, Idempotency_Key="once")

    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert (photograph(), len(asked)) == (there, calls)
    if other is not None:
        told = check(api.post(address, other, kind, Idempotency_Key="once"), 422)
        assert told["errors"][0]["field"] == "Idempotency-Key"
    assert photograph() == there
    throttle.forget()
