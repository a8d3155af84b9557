"""Keeps what came in: proved calls for the worker, refused ones and repetitions for the admin."""

import hashlib
from collections.abc import Sequence
from datetime import timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from hub.delivery import log, wake
from hub.delivery.models import LogKind
from hub.lib.insert import Insert
from hub.lib.throttle import take
from hub.lib.together import Together, one_writer
from integrations.base.webhooks import Incoming
from webhooks.calls import QUERY_LENGTH, keepable_headers, without_secrets
from webhooks.models import ReceivedWebhook, WebhookEndpoint

State = ReceivedWebhook.State
#: Newest refused calls, and newest repetitions, that are kept per endpoint.
KEPT = 200
#: Calls saved in one transaction.
MOST_TOGETHER = 64
#: Bytes of a refused call's body that are kept.
REFUSED_BODY = 16 * 1024
#: Minutes between two entries about refused calls in one endpoint's integration log.
LOG_EVERY = 10


def keep(endpoint: WebhookEndpoint, incoming: Incoming, call_id: str, source_ip: str) -> None:
    """Save a proved call, due at once; calls that come at the same time share one commit.

    A repetition (same ``call_id``) is kept as a row of its own without its body. Where the first
    one failed, the repetition gives it another chance.
    """
    row = _row(endpoint, incoming, State.RECEIVED, source_ip)
    row.call_id = shortened(call_id) or None
    row.due_at = row.received_at = timezone.now()
    if not _together.do(row):
        _keep_repetition(endpoint, incoming, shortened(call_id), source_ip)


def _keep_group(rows: Sequence[ReceivedWebhook]) -> list[bool | Exception]:
    """Insert proved calls in one transaction; return which are new."""
    ordered = sorted(rows, key=lambda row: (row.endpoint_id, row.call_id or ""))
    prepared = _RECEIVED.prepare([tuple(getattr(row, name) for name in _COLUMNS) for row in ordered])
    with one_writer(), transaction.atomic():
        new = _RECEIVED.run_prepared(prepared)
        if new < len(rows) and len(rows) > 1:
            raise _SomeRepeated("some calls were received before")
        for endpoint in {row.endpoint_id: row.endpoint for row in rows}.values():
            _note_call(endpoint)
        if new:
            transaction.on_commit(wake.wake_jobs, robust=True)
    return [new == len(rows)] * len(rows)


class _SomeRepeated(Exception):
    """Calls of the group were received before; taken one by one they show which."""


_COLUMNS = (
    "organization_id", "endpoint_id", "state", "call_id", "method", "query", "headers", "body", "source_ip",
    "due_at", "received_at",
)  # fmt: skip
_RECEIVED = Insert(ReceivedWebhook, *_COLUMNS, once=("endpoint_id", "call_id"))
_together: Together[ReceivedWebhook, bool] = Together(_keep_group, most=MOST_TOGETHER)


def keep_handshake(endpoint: WebhookEndpoint, incoming: Incoming, source_ip: str) -> None:
    """Save that the provider asked whether anybody is here."""
    row = _row(endpoint, incoming, State.PROCESSED, source_ip)
    row.reason, row.processed_at = "The provider's handshake was answered.", timezone.now()
    row.save()


def keep_refused(endpoint: WebhookEndpoint, incoming: Incoming, reason: str, source_ip: str) -> None:
    """Save a refused call, its body cut, and let go of the oldest ones."""
    row = _row(endpoint, incoming, State.REFUSED, source_ip)
    row.reason, row.body = reason[:500], incoming.body[:REFUSED_BODY]
    with transaction.atomic():
        row.save()
        _let_go(endpoint, State.REFUSED)
        if not take("webhook-log", 1, str(endpoint.pk), minutes=LOG_EVERY):
            log.record(
                endpoint.integration,
                LogKind.WEBHOOK,
                "refused",
                f"A call to the webhook endpoint “{endpoint.name}” was refused: {reason}",
                hint="The endpoint's page lists the refused calls and why.",
            )


def shortened(identifier: str, length: int = 255) -> str:
    """Return ``identifier``, or its hash where a column of ``length`` cannot hold it."""
    identifier = identifier.replace("\x00", "")
    if len(identifier) <= length:
        return identifier
    return "sha256:" + hashlib.sha256(identifier.encode()).hexdigest()


def _keep_repetition(
    endpoint: WebhookEndpoint, incoming: Incoming, call_id: str, source_ip: str
) -> ReceivedWebhook:
    row = _row(endpoint, incoming, State.DUPLICATE, source_ip)
    row.body, row.processed_at = b"", timezone.now()
    with transaction.atomic():
        first = ReceivedWebhook.objects.filter(endpoint=endpoint, call_id=call_id).first()
        row.repeats = first.pk if first else None
        row.reason = f"The same call ({call_id[:200]}) was received before"
        row.reason += f" as number {first.pk}." if first else "."
        row.save()
        if first and first.state == State.FAILED:
            make_due(first)
        _let_go(endpoint, State.DUPLICATE)
        _note_call(endpoint)
    return row


def make_due(received: ReceivedWebhook) -> None:
    """Put a call before the worker again, with all its tries; wakes the worker on commit."""
    received.state, received.reason, received.attempts = State.RECEIVED, "", 0
    received.due_at, received.lease_until, received.processed_at = timezone.now(), None, None
    received.save(update_fields=["state", "reason", "attempts", "due_at", "lease_until", "processed_at"])
    transaction.on_commit(wake.wake_jobs)


def _row(endpoint: WebhookEndpoint, incoming: Incoming, state: str, source_ip: str) -> ReceivedWebhook:
    secrets = _secrets(endpoint)
    query = incoming.url.partition("?")[2]
    return ReceivedWebhook(
        organization_id=endpoint.organization_id,
        endpoint=endpoint,
        state=state,
        method=incoming.method[:8],
        query=without_secrets(query, secrets)[:QUERY_LENGTH],
        headers=keepable_headers(incoming.headers, secrets),
        body=incoming.body,
        source_ip=source_ip or None,
    )


def _secrets(endpoint: WebhookEndpoint) -> list[str]:
    """Return the values that may be written nowhere; a declared field may also be no secret."""
    try:
        webhook = endpoint.integration.provider.webhook
    except KeyError:
        webhook = None
    public = {field.name for field in webhook.fields if not field.secret} if webhook else set()
    return [value for known in endpoint.secret_sets() for name, value in known.items() if name not in public]


def _note_call(endpoint: WebhookEndpoint) -> None:
    """Remember when the endpoint was last called, to the minute: most calls write nothing."""
    now = timezone.now()
    old = Q(last_call_at__isnull=True) | Q(last_call_at__lt=now - timedelta(minutes=1))
    if endpoint.last_call_at is None or endpoint.last_call_at < now - timedelta(minutes=1):
        WebhookEndpoint.objects.filter(old, pk=endpoint.pk).update(last_call_at=now)
        endpoint.last_call_at = now


def _let_go(endpoint: WebhookEndpoint, state: str) -> None:
    rows = ReceivedWebhook.objects.filter(endpoint=endpoint, state=state)
    oldest_kept = rows.order_by("-id").values_list("id", flat=True)[KEPT - 1 : KEPT]
    for number in oldest_kept:
        rows.filter(id__lt=number).delete()
