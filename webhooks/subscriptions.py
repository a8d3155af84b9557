"""Outgoing webhooks: making, changing, rotating, switching and ending them; the way for API and admin alike.

A subscription is an integration of the managed provider and a route to it, so that the one delivery path
serves it: queue, retries, circuit, rate limit, log and the event's story are those of every delivery.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from hub.accounts.models import Organization
from hub.accounts.retention import Kept, bounds
from hub.connections.models import Credential, Integration, Status
from hub.connections.service import save_integration
from hub.delivery import log
from hub.delivery.enqueue import Target, new_item
from hub.delivery.models import LogKind, QueueItem
from hub.delivery.operations import cancel
from hub.delivery.signals import integration_state_changed
from hub.delivery.wake import wake
from hub.events.envelopes import SOURCE_TYPE, envelope_of
from hub.events.models import Event, EventType, Route
from hub.events.routing import QUEUED, filter_problem, matches, pattern_problem, patterns_of
from hub.lib.addresses import refusal
from hub.lib.ids import uuid7
from integrations.base.fields import FieldErrors
from integrations.base.provider import Provider
from integrations.base.registry import get_provider, managed_slugs
from integrations.base.standard_webhooks import message, new_secret
from webhooks.models import Subscription

OVERLAP = timedelta(hours=24)
LONGEST_OVERLAP = timedelta(days=30)
#: Subscriptions that one organization may have; each costs every accepted event a comparison.
MOST = 500
#: Seconds between the later tries: five days and a half, so that a single failing event tells that nothing
#: is taken for as long as it needs to be switched off (``webhooks.watching``).
SCHEDULE = [300, 900, 3600, 3 * 3600, 6 * 3600, *[12 * 3600] * 10]
TEST_TYPE = "subscription.test"
#: Newest events that are looked through for a sample, and how many make one.
LOOKED_AT, SAMPLES = 500, 3


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a subscription shall be. ``rate``: (messages, seconds); None: the usual limit."""

    url: str
    types: Sequence[str]
    name: str = ""
    filter: str = ""
    rate: tuple[int, int] | None = None
    allowed_hosts: Sequence[str] = ()


def subscriber() -> Provider:
    """Return the provider that subscriptions are integrations of."""
    return get_provider(managed_slugs("subscription")[0])


def rows(organization: Organization) -> Any:
    """Return the organization's subscriptions that have not ended, with what belongs to them."""
    found = Subscription.objects.filter(organization=organization, ended_at__isnull=True)
    return found.select_related("integration", "route")


def create(organization: Organization, wanted: Wanted, *, secret: str = "") -> tuple[Subscription, str]:
    """Make a subscription; return it and its secret, which nobody can read again. Raise FieldErrors."""
    _check(wanted)
    if rows(organization).count() >= MOST:
        text = f"An organization may have {MOST} subscriptions; remove those that are not needed."
        raise FieldErrors({"url": text})
    secret = secret.strip() or new_secret()
    subscription = Subscription(pk=uuid7(), organization=organization)
    with transaction.atomic():
        _keep(subscription, wanted, secret)
        subscription.save()
    return subscription, secret


def change(subscription: Subscription, **fields: Any) -> None:
    """Change fields of ``Wanted``; the others stay. Raise FieldErrors.

    Another address begins anew: its circuit is closed and what failed before is forgotten.
    """
    before = wanted_of(subscription)
    wanted = replace(before, **fields)
    _check(wanted)
    with transaction.atomic():
        _keep(subscription, wanted)
        if wanted.url != before.url:
            _forget_failures(subscription)
            if subscription.enabled:
                subscription.integration.resume()
        subscription.save()


def wanted_of(subscription: Subscription) -> Wanted:
    """Return what a subscription is, in the form in which it is changed."""
    integration = subscription.integration
    rate = (integration.rate_count, integration.rate_seconds)
    return Wanted(
        url=subscription.url,
        types=subscription.types,
        name=subscription.name,
        filter=subscription.route.filter,
        rate=None if None in rate else (integration.rate_count or 1, integration.rate_seconds or 1),
        allowed_hosts=integration.allowed_hosts,
    )


def rotate(subscription: Subscription, *, secret: str = "", overlap: timedelta = OVERLAP) -> str:
    """Take a new (or this) secret and return it; for ``overlap`` messages bear the signature of both.

    Raise FieldErrors.
    """
    secret = secret.strip() or new_secret()
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        raise FieldErrors({"overlap_hours": f"The overlap is 0 to {LONGEST_OVERLAP.days * 24} hours."})
    declared = next(field for field in subscriber().fields if field.name == "signing_secret")
    try:
        declared.clean(secret)
    except ValueError as error:
        raise FieldErrors({"secret": str(error)}) from None
    _set_secrets(subscription, secret, overlap)
    return secret


def end_overlap(subscription: Subscription) -> None:
    """Sign with the new secret only, from now on."""
    _set_secrets(subscription, "", timedelta(0))


def switch_off(subscription: Subscription, reason: str, *, automatic: bool = False) -> None:
    """Send nothing any more; what waits is held. ``automatic``: the hub did it, which raises an alarm."""
    subscription.enabled, subscription.reason = False, reason[:500]
    with transaction.atomic():
        subscription.save(update_fields=["enabled", "reason", "updated_at"])
        Route.objects.filter(pk=subscription.route_id).update(enabled=False, updated_at=timezone.now())
        subscription.integration.pause(reason)
    tell(subscription, f"Switched off: {reason}", alarm=automatic)


def switch_on(subscription: Subscription) -> int:
    """Send again, first of all what was held; return how many deliveries that are."""
    _forget_failures(subscription)
    subscription.enabled, subscription.reason = True, ""
    with transaction.atomic():
        subscription.save()
        Route.objects.filter(pk=subscription.route_id).update(enabled=True, updated_at=timezone.now())
        subscription.integration.resume()
        transaction.on_commit(wake, robust=True)
    tell(subscription, "Switched on.")
    return QueueItem.objects.filter(integration=subscription.integration, state="pending").count()


def end(subscription: Subscription) -> None:
    """Unsubscribe: nothing more is sent, what waits is cancelled, the secrets are gone; the history stays."""
    now = timezone.now()
    subscription.enabled, subscription.reason, subscription.ended_at = False, "Unsubscribed.", now
    subscription.failing_since = None
    with transaction.atomic():
        subscription.save()
        Route.objects.filter(pk=subscription.route_id).update(enabled=False, updated_at=now)
        subscription.integration.pause("Unsubscribed.")
        credential = Credential.objects.get(integration=subscription.integration)
        credential.secrets = {}
        credential.save()
        cancel(QueueItem.objects.filter(integration=subscription.integration))
    tell(subscription, "Unsubscribed: its secrets are removed, what waited is cancelled.")


def send_test(subscription: Subscription, *, origin: str = "admin") -> Event:
    """Queue a test event for this subscription alone; it travels as every event does. Return the event.

    Raise ValueError where the subscription is switched off.
    """
    if not subscription.enabled:
        raise ValueError("It is switched off: switch it on, then send a test event.")
    now, route = timezone.now(), subscription.route
    with transaction.atomic():
        event = Event.objects.create(
            organization_id=subscription.organization_id,
            type=TEST_TYPE,
            source=settings.HUB.url[:500],
            subject=subscription.name[:200],
            time=now,
            data={"message": "A test of the subscription.", "subscription": str(subscription.pk)},
            origin=origin,
            routing=[
                {
                    "route": str(route.pk),
                    "name": route.name,
                    "outcome": QUEUED,
                    "reason": "A test, for this subscription alone.",
                }
            ],
        )
        item = new_item(
            organization_id=subscription.organization_id,
            targets=[Target(subscription.integration_id, route.action)],
            source_type=SOURCE_TYPE,
            source_id=event.pk,
            route_id=route.pk,
            label=event.type,
            subject=event.subject,
            priority=route.priority,
            due_at=now,
        )
        item.save(force_insert=True)
        transaction.on_commit(wake, robust=True)
    return event


def sample(organization: Organization, types: Sequence[str]) -> list[dict[str, Any]]:
    """Return messages as a subscription to ``types`` would send them: of real events, else of examples."""
    pattern = ",".join(types)
    recent = Event.objects.filter(organization=organization).order_by("-id").values_list("pk", "type")
    chosen = [pk for pk, kind in recent[:LOOKED_AT] if matches(pattern, kind)][:SAMPLES]
    events = list(Event.objects.filter(pk__in=chosen).order_by("-id"))
    return [message(envelope_of(event).as_dict()) for event in events or _examples(organization, pattern)]


def prune() -> int:
    """Remove subscriptions that ended before what the hub keeps of the past; return how many went."""
    now = timezone.now()
    events = dict(bounds(Kept.EVENTS, now))
    count = 0
    for organization_id, logs in bounds(Kept.LOGS, now):
        before = min(logs, events[organization_id])
        ended = Integration.objects.filter(organization_id=organization_id, subscription__ended_at__lt=before)
        for integration in ended:
            integration.delete()
            count += 1
    return count


def tell(subscription: Subscription, sentence: str, *, alarm: bool = False, hint: str = "") -> None:
    """Write what became of a subscription into its log; ``alarm``: tell those who listen as well."""
    integration = subscription.integration
    outcome = "alarm" if alarm else "ok"
    log.record(integration, LogKind.STATE, outcome, f"{subscription}: {sentence}", hint=hint)
    if alarm:
        integration_state_changed.send(Subscription, integration=integration, reason=sentence)


def _check(wanted: Wanted) -> None:
    problems = {
        "types": types_problem(wanted.types),
        "filter": _filter_problem(wanted.filter),
        "name": "The name may have 120 characters." if len(wanted.name) > 120 else "",
        "rate_limit": _rate_problem(wanted.rate),
        "url": _address_problem(wanted),
    }
    if errors := {name: text for name, text in problems.items() if text}:
        raise FieldErrors(errors)


def types_problem(types: Sequence[str]) -> str:
    """Return a sentence where these cannot be a subscription's event types, else an empty text."""
    if not types:
        return "At least one event type is needed: order.paid, order.*, or * for all."
    if len(", ".join(types)) > 1000:
        return "The event types may have 1000 characters in all; use patterns such as order.*."
    if any("," in each for each in types):
        return "Each event type stands for itself, without commas."
    return next((text for each in types if (text := pattern_problem(each))), "")


def _filter_problem(text: str) -> str:
    return "The filter may have 1000 characters." if len(text) > 1000 else filter_problem(text)


def _rate_problem(rate: tuple[int, int] | None) -> str:
    if rate is None or (1 <= rate[0] <= 100_000 and 1 <= rate[1] <= 86_400):
        return ""
    return "The limit is 1 to 100,000 messages in 1 to 86,400 seconds."


def _address_problem(wanted: Wanted) -> str:
    """Tell at once what the outbound door would refuse; names are looked up there, at every delivery."""
    try:
        parts = urlsplit(wanted.url)
        host, port = parts.hostname or "", parts.port
        address = ipaddress.ip_address(host)
    except ValueError:
        return ""
    if {host, f"{host}:{port}"} & {str(each).lower() for each in wanted.allowed_hosts}:
        return ""
    why = refusal(address, private=False)
    return f"The address {host} {why}: subscriptions are for public addresses." if why else ""


def _keep(subscription: Subscription, wanted: Wanted, secret: str = "") -> None:
    """Bring the integration and the route in step with what is wanted."""
    named = wanted.name.strip() or _name_of(wanted.url)
    integration = subscription.integration if subscription.integration_id else None
    values = {**(integration.settings if integration else {}), "url": wanted.url.strip()}
    slug = f"subscription-{subscription.pk.hex[-20:]}"
    provider = subscriber()
    count, seconds = wanted.rate or (None, None)
    try:
        subscription.integration = save_integration(
            subscription.organization,
            provider.slug,
            name=named,
            slug=slug,
            auth_key="",
            values=values | ({"signing_secret": secret} if secret else {}),
            integration=integration,
            options={
                "rate_count": count,
                "rate_seconds": seconds,
                "schedule": SCHEDULE,
                "allowed_hosts": list(wanted.allowed_hosts),
            },
        )
    except FieldErrors as errors:
        names = {"signing_secret": "secret"}
        raise FieldErrors({names.get(name, name): text for name, text in errors.errors.items()}) from None
    subscription.name = named
    subscription.route = _route(subscription, wanted, slug, provider.actions[0].name)


def _route(subscription: Subscription, wanted: Wanted, slug: str, action: str) -> Route:
    route = subscription.route if subscription.route_id else Route(organization=subscription.organization)
    route.name, route.slug, route.action = subscription.name, slug, action
    route.integration, route.enabled = subscription.integration, subscription.enabled
    route.type_pattern, route.filter = ", ".join(wanted.types), wanted.filter.strip()
    route.save()
    return route


def _name_of(url: str) -> str:
    return (urlsplit(url).hostname or "Subscription")[:120]


def _set_secrets(subscription: Subscription, secret: str, overlap: timedelta) -> None:
    with transaction.atomic():
        integration = Integration.objects.select_for_update().get(pk=subscription.integration_id)
        credential = Credential.objects.select_for_update().get(integration=integration)
        current = (credential.secrets or {}).get("signing_secret", "")
        credential.secrets = {"signing_secret": secret or current}
        integration.settings.pop("previous_until", None)
        if secret and overlap and current:
            credential.secrets = {**credential.secrets, "previous_secret": current}
            integration.settings["previous_until"] = (timezone.now() + overlap).astimezone(UTC).isoformat()
        credential.save()
        integration.save(update_fields=["settings", "updated_at"])
        if secret and integration.status == Status.RECONNECT:
            # The secret before could not be read any more (a lost key).
            integration.resume()
    subscription.integration = integration
    tell(subscription, "The signing secret was replaced." if secret else "The overlap of two secrets ended.")


def _forget_failures(subscription: Subscription) -> None:
    subscription.failing_since, subscription.last_failure_at, subscription.warned = None, None, 0


def _examples(organization: Organization, pattern: str) -> list[Event]:
    """Events that nobody sent: of the registered types' examples, else one that shows the form."""
    types = EventType.objects.filter(organization=organization, example__isnull=False)
    known = [(each.name, each.example) for each in types if matches(pattern, each.name)][:SAMPLES]
    first = (patterns_of(pattern) or ("example.happened",))[0].replace("*", "example")
    now = timezone.now()
    return [
        Event(organization=organization, type=name, subject="example", source="", time=now, data=data)
        for name, data in known or [(first, {"example": True})]
    ]
