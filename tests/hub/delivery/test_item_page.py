"""How soon the page of a delivery, or of an event with several, looks for news."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from hub.connections.models import Status
from hub.delivery.item_page import QUICK, SLOW, look_again
from hub.delivery.models import QueueItem, State
from tests import factories as make

pytestmark = pytest.mark.django_db


def item(state: State = State.PENDING, **changes: object) -> QueueItem:
    done = {"finished_at": timezone.now()} if state not in (State.PENDING, State.PROCESSING) else {}
    return make.QueueItemFactory(state=state, **done, **changes)


def test_what_moves_soon_is_looked_at_often_and_what_is_finished_never() -> None:
    later = timezone.now() + timedelta(hours=1)
    paused = make.IntegrationFactory(status=Status.PAUSED)
    waiting = [item(due_at=later), item(integration=paused)]
    finished = [item(State.COMPLETED), item(State.FAILED), item(State.CANCELLED), item(State.SKIPPED)]
    assert look_again([]) == look_again(finished) == 0
    assert [look_again([row]) for row in waiting] == [SLOW, SLOW]
    assert [look_again([*finished, *waiting, row]) for row in (item(), item(State.PROCESSING))] == [QUICK] * 2


def test_a_finished_delivery_looks_for_its_replay() -> None:
    first = item(State.COMPLETED)
    browser = Client()
    browser.force_login(make.MembershipFactory(organization=first.organization).user)
    address = reverse("admin:delivery_queueitem_change", args=[first.pk])
    assert 'hx-trigger="every' not in browser.get(address).text
    replay = item(State.PROCESSING, integration=first.integration, replay_of=first)
    assert f'hx-trigger="every {QUICK}s [!document.hidden' in browser.get(address).text
    QueueItem.objects.filter(pk=replay.pk).update(state=State.FAILED, finished_at=timezone.now())
    assert 'hx-trigger="every' not in browser.get(address).text


def test_a_delivery_under_way_says_so() -> None:
    row = item(State.PROCESSING)
    browser = Client()
    browser.force_login(make.MembershipFactory(organization=row.organization).user)
    shown = browser.get(reverse("admin:delivery_queueitem_change", args=[row.pk])).text
    assert f"A worker is delivering it to {row.integration} now." in shown
