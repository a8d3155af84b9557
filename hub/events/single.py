"""Sending one event by hand to one integration, past the routes, through the one delivery path."""

from typing import Any

from django.db import transaction
from django.utils import timezone

from hub.accounts.models import Organization
from hub.connections.models import Integration
from hub.delivery.enqueue import Target, new_item
from hub.delivery.models import QueueItem
from hub.delivery.sources import Envelope
from hub.delivery.wake import wake
from hub.events.drafts import Draft, IntakeError, check_drafts
from hub.events.envelopes import SOURCE_TYPE
from hub.events.models import Event
from hub.events.routing import QUEUED
from hub.mapping.models import FieldMapping


def send_one(
    envelope: Envelope, integration: Integration, action: str, mapping: FieldMapping, user: Any
) -> QueueItem:
    """Queue ``envelope`` for ``integration`` alone, mapped by ``mapping``, due now; return the item.

    An envelope that is no kept event (pasted, an example) is kept as one first, with origin admin; no
    route is asked about it. What was done stands in the event's routing. Raises IntakeError.
    """
    decision = {
        "route": "",
        "name": "By hand",
        "outcome": QUEUED,
        "reason": f"{user} sent it to {integration} with the mapping “{mapping}”.",
    }
    with transaction.atomic():
        kept = Event.objects.select_for_update().filter(pk=envelope.id, organization=integration.organization)
        event = kept.first() or _keep(envelope, integration.organization)
        event.routing = [*event.routing, decision]
        event.save(update_fields=["routing"])
        item = new_item(
            organization_id=integration.organization_id,
            targets=[Target(integration.pk, action, mapping.pk)],
            source_type=SOURCE_TYPE,
            source_id=event.pk,
            label=event.type,
            subject=event.subject,
            due_at=timezone.now(),
        )
        item.save()
        transaction.on_commit(wake, robust=True)
    return item


def _keep(envelope: Envelope, organization: Organization) -> Event:
    draft = Draft(envelope.type, envelope.data, envelope.subject, envelope.source, envelope.time)
    if problems := check_drafts([draft], timezone.now()):
        raise IntakeError(problems)
    return Event.objects.create(
        organization=organization,
        type=draft.type,
        subject=draft.subject,
        source=draft.source,
        time=envelope.time,
        data=draft.data,
        origin="admin",
    )
