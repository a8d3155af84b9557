"""Every page, light and dark, wide and narrow: it fits the screen, and axe finds nothing serious."""

from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from playwright.sync_api import Page

from hub.accounts.models import Membership
from hub.connections.models import Status
from hub.delivery.models import State
from tests import factories as make
from tests.plugins.browser import SignIn, shoot


def serious(page: Page) -> list[str]:
    """Return what axe calls serious or critical."""
    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {node['html'][:200]} {node['failureSummary'][:200]}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


def test_the_sign_in_page_is_accessible(new_page: Callable[..., Page]) -> None:
    page = new_page()
    page.goto("/admin/login/")
    assert serious(page) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_pages_fit_the_screen_and_are_accessible(sign_in: SignIn, theme: Any, width: int) -> None:
    membership = make.MembershipFactory()
    rows = _one_of_everything(membership)
    page = sign_in(membership, color_scheme=theme, viewport={"width": width, "height": 844})
    wrong: list[str] = []
    for name, address in rows.items():
        page.goto(address)
        page.wait_for_load_state("networkidle")
        if page.evaluate("document.documentElement.scrollWidth") > width:
            wrong.append(f"{name} is too wide")
        wrong += [f"{name}: {entry}" for entry in serious(page)]
        shoot(page, f"{name}-{theme}-{width}")
    assert wrong == []


FORMS = (
    "events/route",
    "events/eventtype",
    "mapping/fieldmapping",
    "webhooks/webhookendpoint",
    "accounts/apikey",
    "accounts/membership",
)
LISTS = (
    "delivery/integrationlog",
    "events/eventtype",
    "mapping/fieldmapping",
    "webhooks/webhookendpoint",
    "webhooks/receivedwebhook",
    "metrics/healthreport",
    "accounts/organization",
    "accounts/membership",
    "accounts/apikey",
)


def _one_of_everything(membership: Membership) -> dict[str, str]:
    organization = membership.organization
    integration = make.IntegrationFactory(organization=organization, provider_slug="stripe", name="Stripe")
    event = make.EventFactory(organization=organization)
    item = make.QueueItemFactory(
        integration=integration, event=event, state=State.FAILED, last_error="Refused."
    )
    exchange = {"method": "POST", "url": f"{settings.HUB.url}/{'long' * 40}", "request_body": '{"a": 1}'}
    log = make.IntegrationLogFactory(integration=integration, item_id=item.pk, exchanges=[exchange])
    endpoint = make.WebhookEndpointFactory(integration=integration)
    received = make.ReceivedWebhookFactory(endpoint=endpoint)
    mapping = make.FieldMappingFactory(
        organization=organization,
        provider_slug="hubspot",
        action="contact.upsert",
        rules=[{"source": "data.total", "target": "phone", "transforms": [{"name": "to_minor_units"}]}],
    )
    route = make.RouteFactory(organization=organization, integration=integration, mapping=mapping)
    report = make.HealthReportFactory(organization=organization)
    make.IntegrationFactory(
        organization=organization,
        name="HubSpot",
        provider_slug="hubspot",
        status=Status.RECONNECT,
        sandbox=True,
    )
    make.RouteFallbackFactory(route=route)
    admin = "/admin"
    return {
        "home": f"{admin}/",
        "gallery": f"{admin}/connections/integration/connect/",
        "connect": f"{admin}/connections/integration/connect/slack/",
        "integrations": f"{admin}/connections/integration/",
        "integration": f"{admin}/connections/integration/{integration.pk}/change/",
        "events": f"{admin}/events/event/",
        "event": f"{admin}/events/event/{event.pk}/change/",
        "queue": f"{admin}/delivery/queueitem/",
        "item": f"{admin}/delivery/queueitem/{item.pk}/change/",
        "log": f"{admin}/delivery/integrationlog/{log.pk}/change/",
        "routes": f"{admin}/events/route/",
        "route": f"{admin}/events/route/{route.pk}/change/",
        "mapping": f"{admin}/mapping/fieldmapping/{mapping.pk}/change/",
        "endpoint": f"{admin}/webhooks/webhookendpoint/{endpoint.pk}/change/",
        "received": f"{admin}/webhooks/receivedwebhook/{received.pk}/change/",
        "organization": f"{admin}/accounts/organization/{organization.pk}/change/",
        "report": f"{admin}/metrics/healthreport/{report.pk}/change/",
        **{f"new-{name.split('/')[1]}": f"{admin}/{name}/add/" for name in FORMS},
        **{f"all-{name.split('/')[1]}": f"{admin}/{name}/" for name in LISTS},
    }
