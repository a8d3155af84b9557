"""Following ``next_cursor`` gives every row once, whatever is added meanwhile: on every list there is."""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from hub.events.alerts import TYPE
from hub.sync.models import Conflict, RunChange, SyncRun
from tests import factories as make
from tests.hub.api.conftest import API
from tests.security.addresses import operations

pytestmark = pytest.mark.django_db
#: Lists without pages, and why.
WHOLE = {
    # All on one screen, as a monitor wants them.
    *("/api/integrations/status", "/api/integrations/health", "/api/integrations/metrics"),
    # What the code can do, not what somebody stored.
    "/api/providers",
    # A handful of examples; a bounded number of offenders; reports, in pages of whole hours or days, which
    # tests/hub/api/test_operating.py follows.
    *("/api/subscriptions/sample", "/api/quality/{type}/{rule}"),
    *("/api/reports/deliveries", "/api/reports/errors", "/api/reports/webhooks"),
    # A stream, to its end.
    "/api/records/{type}",
}
#: Its cursor is the provider's: tests/hub/api/test_operating.py follows it.
PROVIDERS = "/api/integrations/data/{integration}"


class Lists:
    """How a row is added to each list."""

    def __init__(self, api: API):
        self.organization = own = api.organization
        self.integration = make.IntegrationFactory(organization=own)
        self.event = make.EventFactory(organization=own)
        self.run: Any = None
        one = {"integration": self.integration}
        self.adders: dict[str, Callable[[], Any]] = {
            "/api/events": lambda: make.EventFactory(organization=own),
            "/api/queue": lambda: make.QueueItemFactory(**one, event=self.event),
            "/api/integrations": lambda: make.IntegrationFactory(organization=own),
            "/api/integrations/logs": lambda: make.IntegrationLogFactory(**one),
            "/api/integrations/alert": lambda: make.EventFactory(organization=own, type=TYPE),
            "/api/mappings": lambda: make.FieldMappingFactory(organization=own),
            "/api/routes": lambda: make.RouteFactory(organization=own, **one),
            "/api/webhook-endpoints": lambda: make.WebhookEndpointFactory(**one),
            "/api/subscriptions": lambda: make.subscription(own)[0],
            "/api/sync-conflicts": self._conflict,
            "/api/sync-runs/{id}/changes": self._change,
        }

    def address(self, path: str) -> str:
        return path.replace("{id}", str(self.run.pk)) if self.run else path

    def _sync(self) -> Any:
        kind = make.RecordTypeFactory(organization=self.organization)
        return make.SyncFactory(type=kind, integration=self.integration)

    def _conflict(self) -> Any:
        sync = self._sync()
        record = make.RecordFactory(type=sync.type)
        return Conflict.objects.create(
            organization=self.organization, sync=sync, integration=self.integration, record=record, fields={}
        )

    def _change(self) -> Any:
        if self.run is None:
            sync = self._sync()
            self.run = SyncRun.objects.create(organization=self.organization, sync=sync, dry_run=True)
        number = self.run.changes.count()
        return RunChange.objects.create(run=self.run, key=f"k{number}", kind="created", after={})


def next_of(answer: Any) -> str:
    """Where the header Link leads, which is where next_cursor does; empty on the last page."""
    cursor, link = answer.json()["next_cursor"], answer.headers.get("Link", "")
    assert bool(cursor) == bool(link)
    if not link:
        return ""
    address, relation = re.fullmatch(r"<(/[^>]+)>; rel=\"(\w+)\"", link).groups()  # type: ignore[union-attr]
    assert relation == "next"
    assert parse_qs(urlsplit(address).query)["cursor"] == [cursor]
    return str(address)


PAGED = [
    path
    for method, path, operation in operations()
    if method == "get" and {"cursor", "limit"} <= {each["name"] for each in operation.get("parameters", [])}
]


@pytest.mark.parametrize("path", [path for path in PAGED if path != PROVIDERS])
def test_every_row_comes_once_while_others_are_added(api: API, path: str) -> None:
    lists = Lists(api)
    add = lists.adders[path]
    for _ in range(7):
        add()
    address = lists.address(path)
    whole = api.get(address, limit="200").json()
    assert len(whole["results"]) >= 7
    assert whole["next_cursor"] is None

    found, following = [], f"{address}?limit=2"
    while following:
        answer = api.get(following)
        assert len(answer.json()["results"]) <= 2
        found += answer.json()["results"]
        following = next_of(answer)
        add()
        assert len(found) < 100, "It has no end."

    # What is added comes before the first page of what is newest first, behind it elsewhere.
    there = [row for row in found if row in whole["results"]]
    assert there == whole["results"]
    assert len(found) == len({str(row) for row in found})


def test_every_list_has_pages_or_a_reason(api: API) -> None:
    reading = {path for method, path, _ in operations() if method == "get"}
    lists = {path for path in reading if not path.endswith("}")} | WHOLE
    single = {"/api/integrations/config", "/api/integrations/{integration}/health"}
    assert lists - WHOLE - single == set(PAGED) - {PROVIDERS}
    assert set(Lists(api).adders) == set(PAGED) - {PROVIDERS}
