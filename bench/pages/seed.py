"""A hub after a busy month: fills an empty database in bulk, with the figures that its log gives.

Everything is a function of a row's number, so that two runs make the same hub. The rows that count
are spread as they are in life: few integrations have most of the traffic, most deliveries went well,
and what failed or waits is nearer to the present than to the beginning.
"""

import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from bench.payload import order
from hub.accounts.models import APIKey, Membership, Organization, Role, Scope
from hub.connections.models import Circuit, Credential, Integration, Status
from hub.delivery.models import IntegrationLog, LogKind, QueueItem, State
from hub.events.models import Event, EventType, Route, RouteFallback
from hub.lib.ids import first_at
from hub.lib.insert import Insert
from hub.mapping.models import FieldMapping
from hub.metrics.hours import close_hours
from hub.metrics.rollup import roll_up
from hub.sync.models import Direction, ExternalLink, Record, RecordType, RejectedRow, RunState, Sync, SyncRun
from integrations.base.registry import providers
from webhooks.models import ReceivedWebhook, WebhookEndpoint

DAYS = 30
CHUNK = 5_000
TYPES = [
    f"{thing}.{deed}"
    for thing in ("order", "user", "invoice", "cart", "ticket")
    for deed in ("created", "updated", "paid", "cancelled", "exported", "archived", "shared", "closed")
]
ERRORS = (
    ("permanent", "HTTP 400: the field “amount” must be a whole number, not 12.5."),
    ("rejected", "email: this address is not valid."),
    ("transient", "HTTP 503: the service is unavailable."),
    ("transient", "It did not answer within 10 seconds."),
    ("auth", "HTTP 401: the key was revoked."),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Size:
    """How many rows there are to be."""

    items: int = 1_000_000
    logs: int = 2_000_000
    integrations: int = 200
    webhooks: int = 200_000
    records: int = 200_000

    def scaled(self, by: float) -> "Size":
        """Return the same hub, ``by`` times as large; as many integrations."""
        busy = (max(1000, int(count * by)) for count in (self.items, self.logs))
        others = (max(500, int(count * by)) for count in (self.webhooks, self.records))
        return Size(*busy, self.integrations, *others)

    @property
    def events(self) -> int:
        """Four of five items are of an event of their own, the others share one."""
        return self.items * 4 // 5


class Seed:
    """Fills one database; ``say`` is told how far it is."""

    def __init__(self, size: Size, say: Callable[[str], None]):
        self.size, self.say = size, say
        self.end = timezone.now()
        self.begin = self.end - timedelta(days=DAYS)
        self.organization = Organization.objects.create(name="Busy Ltd", slug="busy")

    def all(self) -> dict[str, Any]:
        """Make everything; return the user's name and an API key."""
        self._few()
        size = self.size
        for name, insert, rows in (
            ("events", self._into(Event, EVENT), map(self._event, range(size.events))),
            ("queue items", self._into(QueueItem, ITEM), map(self._item, range(size.items))),
            ("log rows", self._into(IntegrationLog, LOG), map(self._log, range(size.logs))),
            ("webhooks", self._into(ReceivedWebhook, CALL), map(self._call, range(size.webhooks))),
            ("records", self._into(Record, RECORD), map(self._record, range(size.records))),
        ):
            self.say(f"{_bulk(insert, rows):>12,} {name}")
        self._links()
        self._analyse()
        roll_up(longest=3600)
        close_hours(longest=3600)
        self._analyse()
        user = Membership.objects.get(organization=self.organization).user
        _, key = APIKey.issue(self.organization, "bench", list(Scope))
        return {"user": user.get_username(), "key": key}

    # What there is little of -----------------------------------------------------------------

    def _few(self) -> None:
        from_user = Membership._meta.get_field("user").related_model
        user = from_user._default_manager.create(username="bench")
        Membership.objects.create(user=user, organization=self.organization, role=Role.ADMIN)
        slugs = sorted(providers())
        self.integrations = Integration.objects.bulk_create(
            self._integration(number, slugs[number % len(slugs)]) for number in range(self.size.integrations)
        )
        Credential.objects.bulk_create(Credential(integration=row) for row in self.integrations)
        EventType.objects.bulk_create(EventType(organization=self.organization, name=name) for name in TYPES)
        self.mappings = FieldMapping.objects.bulk_create(
            FieldMapping(
                organization=self.organization,
                name=f"Mapping {number}",
                slug=f"mapping-{number}",
                rules=[{"source": "data.email", "target": "email", "transforms": [{"name": "trim"}]}],
            )
            for number in range(60)
        )
        self.routes = Route.objects.bulk_create(
            self._route(number) for number in range(self.size.integrations)
        )
        RouteFallback.objects.bulk_create(
            RouteFallback(route=route, integration=self.integrations[-1 - number], action="http.send")
            for number, route in enumerate(self.routes[:60])
        )
        self.endpoints = [self._endpoint(number) for number in range(50)]
        WebhookEndpoint.objects.bulk_create(self.endpoints)
        self._syncs()

    def _integration(self, number: int, provider: str) -> Integration:
        row = Integration(
            organization=self.organization,
            provider_slug=provider,
            name=f"{provider.replace('-', ' ').title()} {number}",
            slug=f"{provider}-{number}"[:60],
            tested_at=self.end,
            test_ok=number % 23 != 0,
        )
        if number % 40 == 5:
            row.status, row.status_reason = Status.PAUSED, "Paused by somebody."
        elif number % 50 == 7:
            row.status, row.status_reason = Status.RECONNECT, "The key was revoked."
        elif number % 50 == 9:
            row.circuit, row.circuit_until = Circuit.OPEN, self.end + timedelta(minutes=5)
            row.failure_streak = 12
        return row

    def _route(self, number: int) -> Route:
        return Route(
            organization=self.organization,
            name=f"Route {number}",
            slug=f"route-{number}",
            type_pattern=TYPES[number % len(TYPES)] if number % 4 else "order.*",
            filter="data.total > `100`" if number % 3 == 0 else "",
            integration=self.integrations[number],
            action="http.send",
            mapping=self.mappings[number % 60] if number % 2 else None,
        )

    def _endpoint(self, number: int) -> WebhookEndpoint:
        made = WebhookEndpoint(
            organization=self.organization,
            integration=self.integrations[number],
            name=f"Endpoint {number}",
            slug=f"endpoint-{number}",
            last_call_at=self.end,
        )
        made.set_token()
        return made

    def _syncs(self) -> None:
        self.types = RecordType.objects.bulk_create(
            RecordType(organization=self.organization, name=f"type-{number}", label=f"Type {number}")
            for number in range(8)
        )
        self.syncs = Sync.objects.bulk_create(
            Sync(
                organization=self.organization,
                name=f"Sync {number}",
                slug=f"sync-{number}",
                integration=self.integrations[number],
                type=self.types[number % 8],
                direction=Direction.PUSH,
                action="http.send",
            )
            for number in range(40)
        )
        runs = SyncRun.objects.bulk_create(
            SyncRun(
                organization=self.organization,
                sync=self.syncs[number % 40],
                state=RunState.COMPLETED if number % 9 else RunState.FAILED,
                total=5000,
                created=1000,
                unchanged=3990,
                rejected=10,
                started_at=self.end - timedelta(minutes=number + 5),
                finished_at=self.end - timedelta(minutes=number),
            )
            for number in range(2000)
        )
        RejectedRow.objects.bulk_create(
            RejectedRow(run=run, key=f"key-{number}", reason="email: not valid.", row={"email": "x"})
            for run in runs[:500]
            for number in range(10)
        )

    # What there is much of: a row is a function of its number -----------------------------------

    def _into(self, model: Any, names: str) -> Insert:
        return Insert(model, *names.split())

    def _at(self, number: int, of: int) -> datetime:
        return self.begin + (self.end - self.begin) * (number / of)

    def _id(self, kind: int, number: int, moment: datetime) -> uuid.UUID:
        return uuid.UUID(int=first_at(moment).int | kind << 40 | number)

    def _busy(self, number: int) -> Integration:
        """Few integrations have most of the traffic: the square of an even spread."""
        spread = _scattered(number, 1000) / 1000
        return self.integrations[int(spread * spread * self.size.integrations)]

    def _event_id(self, number: int) -> tuple[uuid.UUID, datetime]:
        at = self._at(number, self.size.events)
        return self._id(1, number, at), at

    def _event(self, number: int) -> tuple[Any, ...]:
        key, at = self._event_id(number)
        data = {**order(number), "email": f"ann{number}@example.com", "total": _scattered(number, 400)}
        return (
            key,
            self.organization.pk,
            _type(number),
            f"order-{number}",
            at,
            data,
            f"key-{number}",
            at,
            [],
        )

    def _item(self, number: int) -> tuple[Any, ...]:
        event = number * 4 // 5
        source, at = self._event_id(event)
        state, error = self._state(number)
        integration = self._busy(number)
        done = None if state in (State.PENDING, State.PROCESSING) else at
        return (
            *(self._id(2, number, at), self.organization.pk, integration.pk, "http.send", source),
            *(self.routes[number % len(self.routes)].pk, _type(event), f"order-{event}", state),
            *(self.end if done is None else at, at.timestamp(), 1 + number % 2, error[0], error[1]),
            *(f"ext-{number}" if state == State.COMPLETED else "", at, done),
            *(("bench", self.end + timedelta(hours=1)) if state == State.PROCESSING else ("", None)),
        )

    def _state(self, number: int) -> tuple[State, tuple[str, str]]:
        """3 % failed and 2 % waiting, in the last third; the rest went well but for a little."""
        chance, late = _scattered(number * 7 + 3, 1000), number > self.size.items * 2 // 3
        if late and chance < 90:
            return State.FAILED, ERRORS[number % len(ERRORS)]
        if late and chance < 150:
            return State.PENDING, ERRORS[2] if number % 3 == 0 else ("", "")
        if number >= self.size.items - 50:
            return State.PROCESSING, ("", "")
        if chance > 990:
            return State.CANCELLED if number % 2 else State.SKIPPED, ("", "")
        return State.COMPLETED, ("", "")

    def _log(self, number: int) -> tuple[Any, ...]:
        size = self.size
        item = number * size.items // size.logs
        source, at = self._event_id(item * 4 // 5)
        failed = _scattered(number, 100) < 4
        kind, message = ERRORS[number % len(ERRORS)] if failed else ("ok", "")
        exchange = {
            "method": "POST",
            "url": "https://api.example.com/v1/orders",
            "status": 400 if failed else 200,
            "request_headers": {"Authorization": "•••", "Content-Type": "application/json"},
            "request_body": f'{{"id": "{item}", "email": "ann{item}@example.com", "total": 12.5}}',
            "response_headers": {"Content-Type": "application/json"},
            "response_body": f'{{"id": "ext-{item}", "status": "ok"}}',
            "duration_ms": 80,
        }
        return (
            *(self.organization.pk, self._busy(item).pk, LogKind.DELIVERY, kind, message, "http.send"),
            *(self._id(2, item, at), source, 1 + number % 2, exchange["status"]),
            *(20 + _scattered(number, 300), [exchange], at),
        )

    def _call(self, number: int) -> tuple[Any, ...]:
        refused = number % 50 == 0
        state = ReceivedWebhook.State.REFUSED if refused else ReceivedWebhook.State.PROCESSED
        return (
            *(self.organization.pk, self.endpoints[number % 50].pk, state, f"call-{number}", "POST"),
            *({"content-type": "application/json"}, b'{"type": "order.paid"}', "192.0.2.1"),
            *("The signature does not fit." if refused else "", [], self._at(number, self.size.webhooks)),
        )

    def _record(self, number: int) -> tuple[Any, ...]:
        return (
            *(self.organization.pk, self.types[number % 8].pk, f"key-{number}", f"Ann {number}"),
            *({"id": f"key-{number}", "email": f"ann{number}@example.com"}, f"{number:032x}", self.end),
        )

    def _links(self) -> None:
        """Each record is known to one integration; one of fifty was refused there."""
        ids = Record.objects.order_by("id").values_list("id", flat=True).iterator()
        rows = (
            (pk, self.integrations[place % 8].pk, f"ext-{pk}", f"{place:032x}", "" if place % 50 else "No.")
            for place, pk in enumerate(ids)
        )
        self.say(f"{_bulk(self._into(ExternalLink, LINK), rows):>12,} links of records")

    def _analyse(self) -> None:
        """Let PostgreSQL know its tables, as autovacuum has done in a hub that has run for a while."""
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("VACUUM ANALYZE")


EVENT = "id organization_id type subject time data idempotency_key received_at routing"
ITEM = (
    "id organization_id integration_id action source_id route_id label subject state due_at claim_order "
    "attempts last_error_kind last_error external_id created_at finished_at lease_owner lease_until"
)
LOG = (
    "organization_id integration_id kind outcome message action item_id source_id attempt status_code "
    "duration_ms exchanges created_at"
)
CALL = "organization_id endpoint_id state call_id method headers body source_ip reason events received_at"
RECORD = "organization_id type_id key subject data fingerprint changed_at"
LINK = "record_id integration_id external_id fingerprint error"


def _type(number: int) -> str:
    return TYPES[_scattered(number, len(TYPES))]


def _scattered(number: int, below: int) -> int:
    """Return a number from 0 to ``below`` - 1 that looks like chance (Knuth's multiplicative hash)."""
    return (number * 2_654_435_761 % 2**32) * below >> 32


def _bulk(insert: Insert, rows: Iterable[tuple[Any, ...]]) -> int:
    count, left = 0, iter(rows)
    for chunk in _chunks(left):
        with transaction.atomic():
            count += insert.run(chunk)
    return count


def _chunks(rows: Iterator[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    while chunk := list(islice(rows, CHUNK)):
        yield chunk
