"""The home page: the sentence on top, open problems with buttons, figures of a span, one organization."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from hub.connections.models import Integration, Status
from hub.delivery.models import IntegrationLog, LogKind, State
from hub.metrics.figures import Tally
from hub.metrics.strips import hourly_strips, look
from tests import factories as make
from tests.hub.dashboard.world import World

HOME = "admin:index"


def text_of(client: Client, address: str = "", **query: str) -> str:
    return client.get(address or reverse(HOME), query).content.decode()


def test_the_same_failure_but_for_a_number_is_one_problem(world: World) -> None:
    integration = world.rows["integration"]
    for number in (17, 18):
        make.QueueItemFactory(
            integration=integration, state=State.FAILED, last_error=f"Order {number} is not known."
        )
    text = text_of(world.client("operator"))
    assert text.count("is not known.") == 1
    assert "2 deliveries" in text
    assert "Retry all (3)" in text
    assert "Stripe Europe needs somebody." in text


def test_nobody_is_called_where_nothing_is_wrong(world: World) -> None:
    world.rows["item"].delete()
    assert "All is well." in text_of(world.client("viewer"))


@pytest.mark.parametrize(("role", "shown"), [("admin", True), ("operator", False), ("viewer", False)])
def test_only_admins_are_offered_to_reconnect(world: World, role: str, shown: bool) -> None:
    Integration.objects.update(status=Status.RECONNECT, status_reason="The key was revoked.")
    text = text_of(world.client(role))
    assert "The key was revoked." in text
    assert ("Reconnect</a>" in text) is shown


@pytest.mark.parametrize(("role", "told"), [("operator", False), ("viewer", True)])
def test_who_may_do_nothing_about_a_problem_is_told_who_may(world: World, role: str, told: bool) -> None:
    text = text_of(world.client(role))
    assert ("Retry all (1)" in text) is not told
    assert ("Operators and admins of the organization can act on it." in text) is told


@pytest.mark.parametrize("span", ["1h", "24h", "7d", "30d", "nonsense"])
def test_every_span_and_the_live_part_render(world: World, span: str) -> None:
    client = world.client("viewer")
    assert 'data-chart="attempts"' in text_of(client, span=span)
    part = text_of(client, reverse("admin:home_live"), span=span)
    assert part.lstrip().startswith('<div id="live"')
    assert "<html" not in part


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"due_at": timedelta(seconds=-42)}, "oldest due 42 seconds ago"),
        ({"due_at": timedelta(seconds=-4_000)}, "oldest due 1 hour ago"),
        ({"due_at": timedelta(hours=1)}, "nothing is due"),
        ({"due_at": timedelta(hours=-1), "state": State.PROCESSING}, "1 under way"),
    ],
)
def test_the_queue_tile_says_how_old_the_oldest_due_delivery_is(
    world: World, fields: dict[str, Any], said: str
) -> None:
    world.rows["item"].delete()
    make.QueueItemFactory(
        integration=world.rows["integration"], **{**fields, "due_at": timezone.now() + fields["due_at"]}
    )
    assert said in text_of(world.client("viewer"))


def test_a_strip_counts_what_is_not_rolled_up_yet(world: World) -> None:
    integration = world.rows["integration"]
    IntegrationLog.objects.all().delete()
    now = timezone.now()
    for outcome in ("ok", "ok", "transient"):
        make.IntegrationLogFactory(
            integration=integration, kind=LogKind.DELIVERY, outcome=outcome, created_at=now
        )
    old = now - timedelta(days=2)
    make.IntegrationLogFactory(integration=integration, kind=LogKind.DELIVERY, outcome="ok", created_at=old)
    hours = hourly_strips([integration.pk])[integration.pk]
    assert len(hours) == 24
    assert [tally.attempts for _, tally in hours[:-2]] == [0] * 22
    assert sum(tally.succeeded for _, tally in hours) == 2
    assert sum(tally.failed for _, tally in hours) == 1


@pytest.mark.parametrize(
    ("counts", "shown"),
    [({}, "none"), ({"ok": 3}, "good"), ({"ok": 3, "auth": 1}, "warn"), ({"ok": 1, "other": 3}, "bad")],
)
def test_how_an_hour_is_shown(counts: dict[str, int], shown: str) -> None:
    assert look(Tally(counts)) == shown


def test_looking_at_one_of_several_organizations(world: World, elsewhere: World) -> None:
    make.MembershipFactory(user=world.users["admin"], organization=elsewhere.organization)
    elsewhere.rows["integration"].name = "Second shop"
    elsewhere.rows["integration"].save()
    client = world.client("admin")
    both = text_of(client)
    assert "Stripe Europe" in both
    assert "Second shop" in both

    choose = reverse("admin:organization_show")
    client.get(choose, {"organization": str(elsewhere.organization.pk)})
    for page in (reverse(HOME), reverse("admin:connections_integration_changelist")):
        only = text_of(client, page)
        assert "Second shop" in only
        assert "Stripe Europe" not in only
    # A link to a row elsewhere still opens: nothing is closed by looking away.
    assert client.get(world.page("integration")).status_code == 200
    client.get(choose, {"organization": ""})
    assert "Stripe Europe" in text_of(client)


def test_a_strangers_organization_cannot_be_chosen(world: World, elsewhere: World) -> None:
    client = world.client("admin")
    client.get(reverse("admin:organization_show"), {"organization": str(elsewhere.organization.pk)})
    assert elsewhere.organization.name not in text_of(client)


def test_pausing_by_hand_is_logged_with_the_name(world: World) -> None:
    client: Any = world.client("operator")
    client.post(world.deed("integration", "pause"))
    entry = IntegrationLog.objects.filter(kind=LogKind.STATE).get()
    assert entry.message == f"Paused by {world.users['operator']}: its queue waits."


def test_the_verdict_names_what_is_paused(world: World) -> None:
    integration = world.rows["integration"]
    world.rows["item"].delete()
    make.QueueItemFactory(integration=integration)
    integration.pause("Paused by Ann.")
    text = text_of(world.client("operator"))
    assert "Stripe Europe is paused: what it should get waits, and nothing is lost." in text


def test_it_asks_the_same_for_any_number_of_integrations(world: World) -> None:
    client = world.client("operator")

    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            text_of(client)
        return len(queries)

    asked()
    few = asked()
    for number in range(6):
        more = make.IntegrationFactory(organization=world.organization, name=f"More {number}", test_ok=False)
        make.QueueItemFactory(integration=more, state=State.FAILED, last_error=f"Broken {number}.")
    assert asked() == few


def test_the_menu_is_the_hubs_own_and_no_list_of_tables_is_made(world: World) -> None:
    page = world.client("admin").get(reverse(HOME))
    assert page.context["available_apps"] == []
    assert f'href="{reverse("admin:events_route_flow")}"' in page.text
