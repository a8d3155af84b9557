"""What tests of outgoing webhooks share."""

from datetime import timedelta
from typing import Any

from django.utils import timezone
from standardwebhooks.webhooks import Webhook

from hub.accounts.models import Organization
from hub.delivery.models import QueueItem, State
from hub.events.intake import Draft, accept_event
from hub.events.models import Event
from tests.conftest import Sent
from webhooks.models import Subscription

URL = "https://hooks.example.com/in"


def accept(organization: Organization, kind: str = "order.paid", **data: Any) -> Event:
    accepted = accept_event(organization, Draft(type=kind, data=data or {"total": 12}, subject="A-1"))
    return Event.objects.get(pk=accepted.event_id)


def verified(sent: Sent, secret: str) -> dict[str, Any]:
    """What the receiver reads, verified by the specification's own library."""
    found: dict[str, Any] = Webhook(secret).verify(sent.body, dict(sent.headers))
    return found


def make_due() -> None:
    """Bring every waiting delivery's time, and close every circuit."""
    past = timezone.now() - timedelta(seconds=1)
    QueueItem.objects.filter(state=State.PENDING).update(due_at=past, claim_order=past.timestamp())
    for made in Subscription.objects.select_related("integration"):
        made.integration.resume()
