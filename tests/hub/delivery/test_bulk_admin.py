"""The pages of bulk runs, by role and organization."""

from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from hub.connections.models import Integration
from hub.delivery import admin as pages
from hub.delivery.bulk import work
from hub.delivery.models import BulkRun, QueueItem, State
from tests import factories as make
from tests.hub.dashboard.world import World, build

pytestmark = pytest.mark.django_db
NEW = "admin:delivery_bulkrun_new"


@pytest.fixture
def world() -> World:
    made = build()
    made.rows.pop("bulk_run").delete()
    QueueItem.objects.update(finished_at=timezone.now())
    return made


def asked(world: World, **more: Any) -> dict[str, Any]:
    return {"organization": world.organization.pk, "deed": "retry", "state": "failed", **more}


def test_it_is_looked_at_before_it_is_started(world: World) -> None:
    client = world.client("operator")
    page = client.get(reverse(NEW), asked(world))
    assert "Retry 1 failed delivery." in page.text
    assert "Stripe Europe" in page.text
    assert not BulkRun.objects.exists()
    answer = client.post(reverse(NEW), asked(world))
    run = BulkRun.objects.get()
    assert answer.headers["Location"] == reverse("admin:delivery_bulkrun_change", args=[run.pk])
    assert "0 of 1 looked at" in client.get(answer.headers["Location"]).text
    work()
    world.rows["item"].refresh_from_db()
    assert world.rows["item"].state == State.PENDING
    progress = client.get(reverse("admin:delivery_bulkrun_progress", args=[run.pk]))
    assert "100 %" in progress.text
    assert "hx-get" not in progress.text
    # The button “Stop” stands outside of this part.
    assert progress.headers["HX-Refresh"] == "true"
    late = client.post(reverse("admin:delivery_bulkrun_do", args=[run.pk, "cancel"]), follow=True).text
    assert "“Stop” is not possible any more: it changed meanwhile." in late


def test_the_queues_filters_are_taken_over(world: World) -> None:
    text = world.client("admin").get(f"{reverse(NEW)}?state__exact=cancelled&label=order.paid").text
    assert '<option value="cancelled" selected' in text
    assert 'value="order.paid"' in text


def test_a_filter_that_has_no_field_is_not_dropped_unsaid(world: World) -> None:
    client = world.client("admin")
    page = client.get(f"{reverse(NEW)}?state__exact=failed&q=order-7&priority__exact=600&made=day").text
    assert "Not taken over from the queue: its search, priority." in page
    since = timezone.localtime(timezone.now() - timedelta(days=1))
    assert f'value="{since:%Y-%m-%dT%H}' in page
    assert "Not taken over" not in client.get(reverse(NEW), asked(world)).text


def test_mistakes_are_told_at_their_fields(world: World) -> None:
    client = world.client("admin")
    answer = client.get(reverse(NEW), asked(world, deed="cancel"))
    assert answer.status_code == 422
    assert "To cancel is possible with deliveries that are: pending." in answer.text
    stranger = make.IntegrationFactory()
    answer = client.post(reverse(NEW), asked(world, integration=stranger.pk))
    assert answer.status_code == 422
    assert not BulkRun.objects.exists()


def test_a_viewer_neither_looks_nor_starts(world: World) -> None:
    client = world.client("viewer")
    assert client.get(reverse(NEW)).status_code == 403
    assert client.post(reverse(NEW), asked(world)).status_code == 403
    assert (
        "Retry, cancel or replay many" not in client.get(reverse("admin:delivery_queueitem_changelist")).text
    )


def test_many_failed_deliveries_of_an_integration_are_left_to_a_worker(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "AT_ONCE", 1)
    integration: Integration = world.rows["integration"]
    make.QueueItemFactory(integration=integration, state=State.FAILED, finished_at=timezone.now())
    answer = world.client("operator").post(world.deed("integration", "retry-failed"))
    run = BulkRun.objects.get()
    assert answer.headers["Location"] == reverse("admin:delivery_bulkrun_change", args=[run.pk])
    assert QueueItem.objects.filter(state=State.PENDING).count() == 0
    work()
    assert QueueItem.objects.filter(state=State.PENDING).count() == 2
