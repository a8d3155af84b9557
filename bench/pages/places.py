"""What is looked at: every page of the admin that somebody opens, and every reading endpoint of the API."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.urls import reverse

from hub.connections.models import Integration, Status
from hub.dashboard.theme import NAVIGATION
from hub.delivery.models import IntegrationLog, QueueItem, State
from hub.events.models import Event, Route
from hub.mapping.models import FieldMapping
from hub.sync.models import Record, RecordType, Sync, SyncRun
from webhooks.models import ReceivedWebhook, WebhookEndpoint


@dataclass(frozen=True, slots=True)
class Place:
    """One address; ``api`` is asked with the key instead of a session."""

    name: str
    address: str
    api: bool = False


def places() -> Iterator[Place]:
    """Yield all of them; rows are the newest, the oldest and the busiest there are."""
    for group in NAVIGATION:
        # What only a superuser opens is of a handful of rows.
        for item in group["items"]:
            if str(item.get("permission", "")).endswith("is_superuser"):
                continue
            yield Place(f"menu: {item['title']}", str(item["link"]))
    yield from _home()
    yield from _lists()
    yield from _rows()
    yield from _api()


def _home() -> Iterator[Place]:
    for span in ("1h", "24h", "7d", "30d"):
        yield Place(f"home, {span}", f"{reverse('admin:index')}?span={span}")
    yield Place("home, what is live", reverse("admin:home_live"))


def _lists() -> Iterator[Place]:
    event = Event.objects.order_by("id")[Event.objects.count() // 2]
    item = QueueItem.objects.filter(source_id=event.pk).order_by("id").first() or QueueItem.objects.first()
    busiest, idle = _integrations()
    for model, asked in (
        (Event, ("outcome=failed", "outcome=open", "origin=webhook", "received=hour", "type=order.paid")),
        (Event, ("type=no.such.type", f"q={event.pk}", f"q={event.subject}", "q=nothing-is-called-so")),
        (QueueItem, (*(f"state__exact={state}" for state in State), "label=order.paid", "label=no.such")),
        (QueueItem, (f"integration={busiest}", f"integration={idle}", "priority__exact=600")),
        (QueueItem, (f"integration={idle}&state__exact=failed", "state__exact=failed&label=user.paid")),
        (QueueItem, (f"q={event.subject}", f"q={item.external_id}", f"q={event.pk}", "q=nothing-is-so")),
        (IntegrationLog, ("outcome=problems", "outcome=ok", "kind__exact=test", f"integration={busiest}")),
        (IntegrationLog, (f"integration={idle}&outcome=problems", f"q={item.pk}", "q=nothing-is-so")),
        (ReceivedWebhook, ("state__exact=refused", "state__exact=processed", "p=1000")),
        (Record, ("q=ann", "q=key-77", "type=1", "p=1000")),
        (QueueItem, ("p=10000",)),
    ):
        page = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        for query in asked:
            yield Place(f"{model._meta.verbose_name_plural}: {_short(query)}", f"{page}?{query}")


def _rows() -> Iterator[Place]:
    busiest, idle = _integrations()
    paused = Integration.objects.filter(status=Status.PAUSED).values_list("pk", flat=True).first()
    waiting = QueueItem.objects.filter(state=State.PENDING).first()
    failed = QueueItem.objects.filter(state=State.FAILED).first()
    refused = ReceivedWebhook.objects.filter(state=ReceivedWebhook.State.REFUSED).first()
    models: tuple[Any, ...] = (QueueItem, IntegrationLog, Route, FieldMapping, WebhookEndpoint)
    for model in (*models, ReceivedWebhook, Record, RecordType, Sync, SyncRun):
        yield _page(model, model.objects.order_by("pk").first())
    yield _page(Event, Event.objects.order_by("id").last(), "newest")
    yield _page(QueueItem, waiting, "waiting")
    yield _page(QueueItem, failed, "failed")
    yield _page(ReceivedWebhook, refused, "refused")
    for pk, which in ((busiest, "busiest"), (idle, "idle"), (paused, "paused")):
        yield _page(Integration, Integration.objects.get(pk=pk), which)
    route = Route.objects.exclude(filter="").first()
    asked = f"type_pattern=*&filter=data.total+>+`100`&organization={route.organization_id}" if route else ""
    yield Place("route: what it takes, while typing", f"{reverse('admin:events_route_check')}?{asked}")


def _api() -> Iterator[Place]:
    busiest, idle = _integrations()
    event, record = Event.objects.latest("id"), Record.objects.select_related("type").earliest("pk")
    month = (event.received_at - timedelta(days=30)).date()
    for address in (
        "events",
        "events?limit=200",
        "events?type=order.*",
        "events?type=no.such.type",
        f"events?subject={event.subject}",
        "events?subject=nothing-is-called-so",
        f"events?idempotency_key={event.idempotency_key}",
        f"events/{event.pk}",
        "integrations/status",
        "integrations/health",
        f"integrations/{busiest}/health",
        "integrations/logs",
        "integrations/logs?outcome=permanent",
        f"integrations/logs?integration={busiest}&outcome=auth&exchanges=true",
        f"integrations/logs?event={event.pk}",
        f"records/{record.type.name}/{record.key}",
        f"sync-runs/{SyncRun.objects.order_by('-id').values_list('pk', flat=True).first()}",
        "events?origin=webhook",
        "queue",
        "queue?limit=200",
        *(f"queue?state={state}" for state in State),
        f"queue?integration={busiest}",
        f"queue?integration={idle}&state=failed",
        f"queue?event={event.pk}",
        f"queue?route={Route.objects.values_list('pk', flat=True).first()}",
        f"queue/{QueueItem.objects.values_list('pk', flat=True).first()}",
        "integrations",
        f"integrations/{busiest}",
        "integrations/metrics",
        "integrations/metrics?hours=48",
        "integrations/config",
        "integrations/logs?kind=test",
        f"integrations/logs?item={QueueItem.objects.values_list('pk', flat=True).first()}",
        "mappings",
        "routes",
        "webhook-endpoints",
        "subscriptions",
        "sync-conflicts",
        "providers",
        "reports/deliveries",
        f"reports/deliveries?step=day&start={month}T00:00:00Z",
        f"reports/deliveries?integration={busiest}",
        "reports/errors",
        "reports/webhooks",
    ):
        yield Place(f"GET {_short(address)}", f"/api/{address}", api=True)
    yield Place("GET /metrics", "/metrics", api=True)


def _integrations() -> tuple[Any, Any]:
    """The first integration has most of the traffic (see ``seed``), the last least."""
    ids = list(Integration.objects.order_by("pk").values_list("pk", flat=True))
    return ids[0], ids[-1]


def _page(model: Any, row: Any, which: str = "") -> Place:
    address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_change", args=[row.pk])
    return Place(f"one {model._meta.verbose_name}{f', {which}' if which else ''}", address)


def _short(text: str) -> str:
    return text if len(text) < 48 else f"{text[:45]}…"
