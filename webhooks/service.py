"""What admins do with endpoints and received calls."""

from collections.abc import Mapping
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils.text import slugify

from hub.connections.models import Integration
from integrations.base.fields import FieldErrors, clean_all
from integrations.base.webhooks import Webhook
from webhooks.models import ReceivedWebhook, WebhookEndpoint
from webhooks.store import State, make_due

OVERLAP = timedelta(hours=24)


def declared_webhook(integration: Integration) -> Webhook:
    """Return what the provider declares about its webhooks; raise FieldErrors where it sends none."""
    try:
        webhook = integration.provider.webhook
    except KeyError as error:
        raise FieldErrors({"integration": str(error.args[0])}) from None
    if webhook is None:
        raise FieldErrors({"integration": f"{integration.provider.name} sends no webhooks."})
    return webhook


def create_endpoint(
    integration: Integration, name: str, secrets: Mapping[str, str] | None = None, *, slug: str = ""
) -> WebhookEndpoint:
    """Make an endpoint with a new token; raise FieldErrors.

    Secrets may come later, since many providers show theirs only once they know the address:
    until then every call is refused.
    """
    given = clean_secrets(integration, secrets or {})
    endpoint = WebhookEndpoint(
        organization=integration.organization,
        integration=integration,
        name=name,
        slug=slug or _free_slug(integration, name),
    )
    endpoint.keys = {"current": given}
    endpoint.set_token()
    endpoint.save()
    return endpoint


def clean_secrets(integration: Integration, secrets: Mapping[str, str]) -> dict[str, str]:
    """Return the secrets that were entered, checked by the provider's fields; raise FieldErrors."""
    entered = {name: value for name, value in secrets.items() if value not in (None, "")}
    fields = declared_webhook(integration).fields
    unknown = set(entered) - {field.name for field in fields}
    wanted = tuple(field for field in fields if field.name in entered)
    if not wanted and not unknown:
        return {}
    return clean_all(wanted, entered)


def set_secrets(
    endpoint: WebhookEndpoint, secrets: Mapping[str, str], *, overlap: timedelta = OVERLAP
) -> bool:
    """Take new secrets; raise FieldErrors. Return whether anything changed.

    What is left blank stays as it is. Where secrets are replaced the old ones hold for
    ``overlap`` more, so that no call is lost while the provider changes over.
    """
    given = clean_secrets(endpoint.integration, secrets)
    current = dict((endpoint.keys or {}).get("current") or {})
    merged = {**current, **given}
    if merged == current:
        return False
    if all(current.get(name, value) == value for name, value in given.items()):
        endpoint.keys = {**(endpoint.keys or {}), "current": merged}
        endpoint.save()
    else:
        endpoint.rotate(merged, overlap)
    return True


def new_address(endpoint: WebhookEndpoint) -> str:
    """Give the endpoint a new token; the old address is gone at once. Return the new address."""
    endpoint.set_token()
    endpoint.save()
    return endpoint_url(endpoint)


def endpoint_url(endpoint: WebhookEndpoint) -> str:
    """Return the public address to enter at the provider."""
    return settings.HUB.url + endpoint.path


def resend(received: ReceivedWebhook) -> None:
    """Send a kept call through again; raise ValueError where it was refused or is a repetition.

    Events that it became already are recognised by their keys and not made twice.
    """
    with transaction.atomic():
        row = ReceivedWebhook.objects.select_for_update().get(pk=received.pk)
        if row.state not in (State.PROCESSED, State.FAILED):
            reasons = {
                State.REFUSED: "It was refused: nothing proves that it came from the provider.",
                State.DUPLICATE: "It is a repetition; send the first call through again.",
            }
            raise ValueError(reasons.get(State(row.state), "It waits for the worker already."))
        make_due(row)


def _free_slug(integration: Integration, name: str) -> str:
    base = slugify(name)[:50] or "endpoint"
    taken = set(
        WebhookEndpoint.objects.filter(
            organization=integration.organization, slug__startswith=base
        ).values_list("slug", flat=True)
    )
    if base not in taken:
        return base
    return next(found for number in range(2, len(taken) + 3) if (found := f"{base}-{number}") not in taken)
