"""The hub's own alerts: what people must know of becomes the event ``hub.alert``, which travels by routes.

So the channels of alerts are whatever integrations can trigger incidents, post messages or send mail,
with queue, retries, fallbacks and log. Its data is the input of ``incident.trigger``, that of
``hub.alert.resolved`` the input of ``incident.resolve``: routes to such actions need no mapping.
"""

import logging
from datetime import date
from typing import Any

from django.conf import settings
from django.urls import reverse

from hub.accounts.models import Organization
from hub.accounts.quotas import QuotaExceeded
from hub.connections.models import Circuit, Integration, Status
from hub.connections.signals import credential_expiring, released
from hub.delivery.signals import integration_state_changed
from hub.events.intake import Accepted, Draft, accept_event
from hub.lib.ids import uuid7
from integrations.base.capabilities import IncidentTrigger, IncidentUpdate

logger = logging.getLogger(__name__)

TYPE, OVER = "hub.alert", "hub.alert.resolved"
#: From so many days before its end a credential is an error, before that a warning.
URGENT = 1


def register() -> None:
    """Called once, when the apps are ready."""
    credential_expiring.connect(_credential_ends, dispatch_uid="own-alerts")
    integration_state_changed.connect(_state_changed, dispatch_uid="own-alerts")
    released.connect(_released, dispatch_uid="own-alerts")


def raise_alert(organization: Organization, alert: IncidentTrigger, *, once: str) -> Accepted:
    """Accept the hub's own alert; ``once`` is its idempotency key: the same is told one time."""
    subject = alert.dedup_key or alert.summary[:200]
    draft = Draft(TYPE, alert.model_dump(), subject=subject, source=alert.source, idempotency_key=once)
    return accept_event(organization, draft, origin="hub")


def alert_of(integration: Integration, key: str, summary: str, *, once: str, **more: Any) -> None:
    """Raise an alert about ``integration``, ``more`` being fields of ``incident.trigger``; never raises.

    Who calls this tells people in other ways too, and what it is about goes on.
    """
    about = {"link": integration_url(integration), **more}
    try:
        alert = IncidentTrigger(
            summary=summary[:1000], dedup_key=key[:255], component=integration.slug, **about
        )
        raise_alert(integration.organization, alert, once=once)
    except Exception:  # whatever it is: the home page and the log tell it all the same
        logger.exception("%s became no alert: %s", key, integration)


def raise_all_clear(organization: Organization, over: IncidentUpdate) -> Accepted:
    """Accept the end of an alert, whose ``dedup_key`` it names."""
    draft = Draft(OVER, over.model_dump(), subject=over.dedup_key, source="interchange")
    return accept_event(organization, draft, origin="hub")


def integration_url(integration: Integration) -> str:
    """Return the whole address of an integration's page."""
    return settings.HUB.url + reverse("admin:connections_integration_change", args=[integration.pk])


def _credential_ends(
    sender: Any, *, integration: Integration, days: int, ends: date, message: str, **_: Any
) -> None:
    key = f"credential-{integration.pk}"
    alert = IncidentTrigger(
        summary=f"{integration}: {message}",
        severity="error" if days <= URGENT else "warning",
        dedup_key=key,
        component=integration.slug,
        group="credentials",
        details={"integration": integration.slug, "days": days, "ends": ends.isoformat()},
        link=integration_url(integration),
    )
    try:
        raise_alert(integration.organization, alert, once=f"{key}-{ends.isoformat()}-{days}")
    except QuotaExceeded as error:
        # The home page, the log and the mail tell it all the same.
        logger.warning("The end of the credential of %s became no alert: %s", integration, error)


def _released(sender: Any, *, integration: Integration, **_: Any) -> None:
    _state_changed(sender, integration=integration, reason="Somebody reconnected or resumed it.")


def _state_changed(sender: Any, *, integration: Integration, reason: str, **_: Any) -> None:
    """Tell once that an integration is held, and once that it flows again."""
    if integration.circuit == Circuit.OPEN and integration.circuit_opened > 1:
        return  # a trial failed: it is as broken as was told
    key, details = f"state-{integration.pk}", {"integration": integration.slug, "reason": reason}
    summary = f"{integration}: {reason}"[:1000]
    flows = integration.status == Status.ACTIVE and integration.circuit == Circuit.CLOSED
    # Who else sends this tells of what may become a change: a subscription that keeps failing.
    if not (flows and sender is Integration):
        severity = "warning" if integration.status == Status.ACTIVE else "error"
        more = {"severity": severity, "group": "integrations", "details": details}
        alert_of(integration, key, summary, once=f"{key}-{uuid7().hex}", **more)
        return
    over = IncidentUpdate(dedup_key=key, summary=summary, details=details)
    try:
        raise_all_clear(integration.organization, over)
    except Exception:  # whatever it is, deliveries go on; the home page and the log tell it all the same
        logger.exception("The change of %s became no all clear", integration)
