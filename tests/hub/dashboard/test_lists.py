"""The lists of the admin: what they ask does not grow with what they show, and no page lies too deep."""

import re
from datetime import timedelta
from unittest.mock import patch

import pytest
from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db import connection
from django.forms import Form
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from unfold.contrib.filters.forms import DropdownForm

from hub.accounts import lists
from hub.delivery.models import Priority, QueueItem, State
from hub.events.models import Event
from hub.lib.ids import first_at, uuid7
from hub.sync.models import RunState, SyncRun
from tests import factories as make
from tests.hub.dashboard.world import World

LISTS = [
    "connections_integration",
    "delivery_queueitem",
    "delivery_integrationlog",
    "delivery_bulkrun",
    "events_event",
    "events_eventtype",
    "events_route",
    "mapping_fieldmapping",
    "webhooks_webhookendpoint",
    "webhooks_receivedwebhook",
    "webhooks_subscription",
    "sync_record",
    "sync_recordtype",
    "sync_sync",
    "sync_syncrun",
]
QUEUE, EVENTS, SYNCS = (
    f"admin:{name}_changelist" for name in ("delivery_queueitem", "events_event", "sync_sync")
)


def one_more_of_each(world: World) -> None:
    """Rows of an integration, a mapping and a type of their own."""
    organization = world.organization
    integration = make.IntegrationFactory(organization=organization)
    mapping = make.FieldMappingFactory(organization=organization)
    make.RouteFactory(organization=organization, integration=integration, mapping=mapping)
    item = make.QueueItemFactory(integration=integration, state=State.FAILED, last_error="No.")
    make.QueueItemFactory(integration=integration)
    make.IntegrationLogFactory(integration=integration, item_id=item.pk)
    make.ReceivedWebhookFactory(endpoint=make.WebhookEndpointFactory(integration=integration))
    kind = make.RecordTypeFactory(organization=organization)
    make.RecordFactory(type=kind, origin=integration)
    make.EventTypeFactory(organization=organization, name=f"made.{integration.slug}")
    make.BulkRunFactory(organization=organization)
    make.subscription(organization, name=integration.slug)
    sync = make.SyncFactory(type=kind, integration=integration, mapping=mapping)
    for state in (RunState.COMPLETED, RunState.FAILED):
        SyncRun.objects.create(organization=organization, sync=sync, state=state)


def asked(client: Client, address: str) -> int:
    """How many queries a page takes; what is only read once is read before."""
    client.get(address)
    with CaptureQueriesContext(connection) as queries:
        assert client.get(address).status_code == 200
    return len(queries)


@pytest.mark.parametrize("name", LISTS)
def test_a_list_asks_no_more_for_more_rows(world: World, name: str) -> None:
    client, address = world.client("admin"), reverse(f"admin:{name}_changelist")
    one_more_of_each(world)
    few = asked(client, address)
    for _ in range(3):
        one_more_of_each(world)

    assert asked(client, address) == few


def test_every_list_opens_to_somebody_with_two_organizations(world: World) -> None:
    user = make.MembershipFactory(organization=world.organization, user__is_superuser=True).user
    make.MembershipFactory(user=user)
    client = Client()
    client.force_login(user)
    tables = [model._meta for model in admin.site._registry]
    assert len(tables) > len(LISTS)
    for table in tables:
        address = reverse(f"admin:{table.app_label}_{table.model_name}_changelist")
        assert client.get(address).status_code == 200, table.label


@pytest.mark.parametrize(
    ("states", "words"),
    [
        ([], "No route wanted it"),
        ([State.COMPLETED], "Delivered"),
        ([State.COMPLETED, State.PENDING], "Under way"),
        ([State.PROCESSING], "Under way"),
        ([State.PENDING, State.FAILED], "Delivery failed"),
    ],
)
def test_an_event_tells_what_became_of_it(world: World, states: list[State], words: str) -> None:
    QueueItem.objects.all().delete()
    Event.objects.all().delete()
    event = make.EventFactory(organization=world.organization)
    for state in states:
        make.QueueItemFactory(integration=world.rows["integration"], event=event, state=state)

    page = world.client("viewer").get(reverse(EVENTS)).text

    # Once more than where nothing is listed: the filter offers some of the words as well.
    event.delete()
    assert page.count(words) == world.client("viewer").get(reverse(EVENTS)).text.count(words) + 1


def test_a_sync_tells_its_last_run(world: World) -> None:
    client, address = world.client("viewer"), reverse(SYNCS)
    sync = make.SyncFactory(type=world.rows["record_type"], integration=world.rows["integration"])
    assert "never" in client.get(address).text

    earlier = first_at(timezone.now() - timedelta(hours=1))
    for state, pk in ((RunState.COMPLETED, uuid7()), (RunState.FAILED, earlier)):
        SyncRun.objects.create(organization=world.organization, sync=sync, state=state, id=pk)

    page = client.get(address).text
    assert "Completed" in page
    assert "Failed" not in page.partition('id="result_list"')[2].partition("</table>")[0]


def test_a_list_that_counts_nothing_ends_somewhere(world: World) -> None:
    client, address = world.client("viewer"), reverse(QUEUE)

    with patch.object(lists, "DEEPEST", 1):
        page = client.get(address, {"p": "10000"}).text

    assert "This list goes back 50 rows. A filter or a search finds what is older." in page
    assert world.rows["item"].label in page
    assert "goes back" not in client.get(address, {"p": "2"}).text


def test_a_list_that_counts_nothing_offers_no_all(world: World) -> None:
    """Its paginator says 9999999999 where others say how many there are."""
    make.QueueItemFactory.create_batch(60, integration=world.rows["integration"])
    page = world.client("operator").get(reverse("admin:delivery_queueitem_changelist")).text
    assert "Retry now" in page
    assert "across all pages" not in page


def test_a_row_is_chosen_by_its_box(world: World) -> None:
    page = world.client("operator").get(reverse(QUEUE)).text

    assert f'name="{ACTION_CHECKBOX_NAME}" value="{world.rows["item"].pk}"' in page
    assert "&quot;&gt;" in lists.tick_box('">')


def test_heads_are_laid_out_once(world: World) -> None:
    for _ in range(3):
        make.QueueItemFactory(integration=world.rows["integration"])

    with patch.object(lists, "_heads_of", wraps=lists._heads_of) as laid_out:
        world.client("operator").get(reverse(QUEUE))

    assert laid_out.call_count == 1


@pytest.mark.parametrize(
    ("address", "asked_for", "found"),
    [
        ("delivery_queueitem", "priority__exact=600", "urgent-one"),
        ("events_event", "origin=webhook", "by-webhook"),
        ("delivery_integrationlog", "kind__exact=test", "The key was refused."),
    ],
)
def test_what_is_rare_is_found(world: World, address: str, asked_for: str, found: str) -> None:
    integration = world.rows["integration"]
    event = make.EventFactory(organization=world.organization, origin="webhook", subject="by-webhook")
    make.QueueItemFactory(integration=integration, event=event, priority=Priority.HIGH, subject="urgent-one")
    make.IntegrationLogFactory(integration=integration, kind="test", message="The key was refused.")

    page = world.client("viewer").get(f"{reverse(f'admin:{address}_changelist')}?{asked_for}").text

    assert page.count('class="data-row') == 1
    assert found in page


@pytest.mark.parametrize("name", LISTS)
def test_filters_are_a_form_that_can_be_sent(world: World, name: str) -> None:
    page = world.client("viewer").get(f"{reverse(f'admin:{name}_changelist')}?q=anything").text

    if 'id="changelist-filter"' in page:
        assert '<form id="filter-form" method="get"' in page
        assert "Apply Filters" in page
        assert re.search(r'<input type="hidden" name="q" value="anything"', page)


def test_deliveries_and_log_entries_are_found_between_two_moments(world: World) -> None:
    now, integration = timezone.now(), world.rows["integration"]
    QueueItem.objects.all().delete()
    for hours, subject in ((5, "early"), (3, "night"), (1, "late")):
        when = now - timedelta(hours=hours)
        make.QueueItemFactory(integration=integration, pk=first_at(when), subject=f"{subject}-item")
        make.IntegrationLogFactory(integration=integration, message=f"{subject} entry", created_at=when)
    bounds = [f"{timezone.localtime(now - timedelta(hours=hours)):%Y-%m-%dT%H:%M}" for hours in (4, 2)]
    client = world.client("viewer")
    for address, words, kind in (
        (QUEUE, ("made_from", "made_until"), "item"),
        ("admin:delivery_integrationlog_changelist", ("logged_from", "logged_until"), "entry"),
    ):
        found = client.get(reverse(address), dict(zip(words, bounds, strict=True))).text
        assert [name for name in ("early", "night", "late") if re.search(f"{name}[- ]{kind}", found)] == [
            "night"
        ]
        wrong = client.get(reverse(address), {words[0]: "yesterday"})
        assert "Enter a valid date/time." in wrong.text


def test_log_entries_are_found_by_subject(world: World) -> None:
    event = make.EventFactory(organization=world.organization, subject="order-99")
    for source, message in ((event.pk, "about it"), (uuid7(), "about another")):
        make.IntegrationLogFactory(integration=world.rows["integration"], source_id=source, message=message)

    page = (
        world.client("viewer")
        .get(reverse("admin:delivery_integrationlog_changelist") + "?subject=order-99")
        .text
    )

    assert "about it" in page
    assert "about another" not in page


def test_a_choice_of_many_says_which_is_chosen() -> None:
    """Each option is written by the choice's own template."""
    choices = [("", "All"), ("a", "<A>"), ("b", "B")]
    form: Form = DropdownForm(label="By", name="which", choices=choices, data={"which": "b"})

    page = str(form["which"])

    assert '<option value="b" selected>B</option>' in page
    assert '<option value="a">&lt;A&gt;</option>' in page
    assert page.count(" selected") == 1


@pytest.mark.parametrize(
    ("action", "attempt", "told"),
    [("contact.upsert", 2, ">contact.upsert, attempt 2<"), ("", 1, ">attempt 1<"), ("", 0, "><")],
)
def test_the_log_says_what_and_which_attempt_it_was(
    world: World, action: str, attempt: int, told: str
) -> None:
    make.IntegrationLogFactory(
        integration__organization=world.organization, action=action, attempt=attempt, message="This one."
    )
    page = world.client("viewer").get(reverse("admin:delivery_integrationlog_changelist")).text
    row = re.search(r"<tr[^>]*>(?:(?!</tr>).)*This one\..*?</tr>", page, re.DOTALL)
    assert row is not None
    assert f'<span class="ic-dim ic-small"{told}' in row.group()
