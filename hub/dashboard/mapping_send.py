"""“Send this one now” of the rules editor: one event, one integration, through the one delivery path."""

import json
from typing import Any
from uuid import UUID

from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from hub.accounts.access import may, organizations_for
from hub.accounts.models import Role
from hub.connections.forms import free_slug, is_sign_in
from hub.connections.models import Integration
from hub.connections.service import save_integration
from hub.dashboard.mapping_preview import read_envelope
from hub.delivery.models import IntegrationLog, QueueItem, State
from hub.events.drafts import IntakeError
from hub.events.single import send_one
from hub.mapping.engine import same_rules
from hub.mapping.models import FieldMapping
from integrations.base.fields import FieldErrors
from integrations.base.samples import sample_values


class Unsendable(Exception):
    """Nothing was sent; the message says why and what helps."""


@require_POST
def send(request: HttpRequest) -> JsonResponse:
    """JSON in: mapping, integration, event or pasted, rules (they must be saved), where (sandbox or real).

    JSON out: url and live (where to look what became of it), or error with a sentence.
    """
    try:
        item = _send(request, json.loads(request.body))
    except (Unsendable, ValueError, IntakeError) as error:
        return JsonResponse({"error": str(error)}, status=422)
    return JsonResponse(
        {
            "url": reverse("admin:delivery_queueitem_change", args=[item.pk]),
            "live": f"{reverse('admin:mapping_sent')}?item={item.pk}",
        }
    )


@require_GET
def sent(request: HttpRequest) -> HttpResponse:
    """What became of ``?item=`` so far; the part asks for itself again until the delivery is done."""
    key = _uuid(request.GET.get("item"))
    rows = QueueItem.objects.filter(organization__in=organizations_for(request.user), pk=key)
    item = rows.select_related("integration").first() if key else None
    context = {
        "item": item,
        "finished": item is not None and item.state not in (State.PENDING, State.PROCESSING),
        "attempt": IntegrationLog.objects.filter(item_id=item.pk).last() if item else None,
    }
    return TemplateResponse(request, "mapping/sent.html", context)


def _send(request: HttpRequest, asked: Any) -> QueueItem:
    if not isinstance(asked, dict):
        raise Unsendable("This was asked in an unknown way. Reload the page.")
    mapping = _mapping(request, asked)
    integration = _integration(request, asked, mapping)
    action = mapping.action
    if action not in {known.name for known in integration.provider.actions}:
        raise Unsendable(f"{integration} cannot do what this mapping is made for.")
    envelope = read_envelope(request, asked)
    if envelope is None:
        raise Unsendable("Choose an event, or paste one, to send.")
    return send_one(envelope, integration, action, mapping, request.user)


def _mapping(request: HttpRequest, asked: dict[str, Any]) -> FieldMapping:
    key = str(asked.get("mapping") or "")
    mine = organizations_for(request.user, Role.OPERATOR)
    mapping = FieldMapping.objects.filter(organization__in=mine, pk=key).first() if key.isdecimal() else None
    if mapping is None:
        raise Unsendable("Save the mapping first; only operators and admins may send.")
    if not same_rules(mapping.rules, asked.get("rules")):
        raise Unsendable("Save the mapping first: what is sent is made by the saved rules.")
    return mapping


def _integration(request: HttpRequest, asked: dict[str, Any], mapping: FieldMapping) -> Integration:
    """Return where it goes: the chosen one, or for the sandbox one that has nothing real behind it."""
    chosen = _uuid(asked.get("integration"))
    rows = Integration.objects.filter(organization=mapping.organization_id)
    integration = rows.filter(pk=chosen).first() if chosen else None
    if integration is None:
        raise Unsendable("Choose the integration that it is sent by.")
    if asked.get("where") == "real":
        return integration
    if asked.get("where") != "sandbox":
        raise Unsendable("Say whether it goes to the sandbox or for real.")
    if integration.sandbox:
        return integration
    twin = rows.filter(provider_slug=integration.provider_slug, sandbox=True).first()
    return twin or _new_twin(request, integration)


def _new_twin(request: HttpRequest, integration: Integration) -> Integration:
    """Connect the provider's stand-in with sample values, for trying things out."""
    provider = integration.provider
    scheme = next((known for known in provider.auth if not is_sign_in(known)), None)
    if scheme is None or not may(request.user, integration.organization, Role.ADMIN):
        raise Unsendable(
            f"No integration of {provider.name} uses the sandbox yet. Let an admin connect one, with the "
            "switch “Use the sandbox” on, and send again."
        )
    settings, secrets = sample_values(provider.fields_for(scheme.key))
    name = f"{provider.name}, for trying out"
    try:
        with transaction.atomic():
            return save_integration(
                integration.organization,
                provider.slug,
                name=name,
                slug=free_slug(integration.organization, name),
                auth_key=scheme.key,
                values={**settings, **secrets},
                sandbox=True,
            )
    except FieldErrors as error:
        raise Unsendable(f"The sandbox could not be connected: {error}") from None


def _uuid(value: Any) -> UUID | None:
    try:
        return UUID(str(value))
    except ValueError:
        return None
