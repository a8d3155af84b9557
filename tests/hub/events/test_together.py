"""Events that come at the same time share a commit, and nothing else."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import IntegrityError, OperationalError, connection, connections

from hub.accounts.models import Organization
from hub.accounts.quotas import QuotaExceeded
from hub.delivery.models import QueueItem
from hub.events import intake
from hub.events.intake import Draft, IntakeError, accept_event, accept_events
from hub.events.models import Event
from tests.factories import EventTypeFactory, OrganizationFactory, RouteFactory

pytestmark = pytest.mark.django_db(transaction=True)


class Crowd:
    """Lets the first caller begin, gathers the others behind it, and lets all go on."""

    def __init__(self, monkeypatch):
        self.groups = []
        self._began, self._go_on = threading.Event(), threading.Event()
        self._write = intake.write
        monkeypatch.setattr(intake, "write", self._held)

    def _held(self, arrivals, rows):
        self.groups.append([arrival.draft.type for arrival in arrivals])
        if len(self.groups) == 1:
            self._began.set()
            assert self._go_on.wait(30)
        return self._write(arrivals, rows)

    def _waiting(self):
        return len(intake._together._waiting) + len(intake._writing._waiting)

    def bring(self, *calls):
        """Make the calls, each in a thread of its own; return what each returned or raised.

        One after the other, each when the one before waits, or, where it need not, is through.
        """

        def made(call):
            try:
                return call()
            except Exception as error:
                return error
            finally:
                connections.close_all()

        with ThreadPoolExecutor(len(calls)) as pool:
            found = [pool.submit(made, calls[0])]
            assert self._began.wait(30)
            for number, call in enumerate(calls[1:], 1):
                found.append(pool.submit(made, call))
                while self._waiting() < number and not found[-1].done():
                    threading.Event().wait(0.001)
            self._go_on.set()
        return [future.result() for future in found]


@pytest.fixture
def crowd(monkeypatch):
    return Crowd(monkeypatch)


@pytest.fixture
def organization():
    return OrganizationFactory()


def bring(organization, kind, data=None, **fields):
    return lambda: accept_event(organization, Draft(kind, data, **fields))


def test_each_gets_its_own_answer(crowd, organization):
    other = OrganizationFactory()
    RouteFactory(organization=organization)
    RouteFactory(organization=other, type_pattern="order.b")
    RouteFactory(organization=other)
    answers = crowd.bring(
        bring(organization, "order.first"),
        bring(organization, "order.a", 1),
        bring(other, "order.b", 2),
        lambda: accept_events(other, [Draft("order.c", 3), Draft("nobody.cares", 4)]),
    )
    assert crowd.groups == [["order.first"], ["order.a", "order.b", "order.c", "nobody.cares"]]
    _, a, b, (c, none) = answers
    assert [one.items for one in (a, b, c, none)] == [1, 2, 1, 0]
    kept = {event.pk: (event.organization, event.type, event.data) for event in Event.objects.all()}
    assert kept[a.event_id] == (organization, "order.a", 1)
    assert kept[b.event_id] == (other, "order.b", 2)
    assert kept[c.event_id] == (other, "order.c", 3)
    for item in QueueItem.objects.select_related("integration"):
        assert item.organization == kept[item.source_id][0]


def test_one_that_cannot_be_kept_fails_none_of_its_neighbours(crowd, organization):
    RouteFactory(organization=organization)
    gone = Organization(pk=987654)
    first, before, poison, after = crowd.bring(
        bring(organization, "order.first"),
        bring(organization, "order.before"),
        bring(gone, "order.poison"),
        bring(organization, "order.after"),
    )
    assert isinstance(poison, IntegrityError)
    assert [one.items for one in (first, before, after)] == [1, 1, 1]
    assert set(Event.objects.values_list("type", flat=True)) == {"order.first", "order.before", "order.after"}
    assert QueueItem.objects.count() == 3


def test_one_that_its_schema_refuses_fails_none_of_its_neighbours(crowd, organization):
    EventTypeFactory(organization=organization, schema={"type": "object"}, on_invalid="reject")
    _, refused, kept = crowd.bring(
        bring(organization, "order.first"),
        bring(organization, "order.paid", "text"),
        bring(organization, "order.paid", {}),
    )
    assert isinstance(refused, IntakeError)
    assert [(problem.index, problem.field) for problem in refused.problems] == [(0, "data")]
    assert Event.objects.get(pk=kept.event_id).data == {}
    assert Event.objects.count() == 2


def test_the_same_key_from_several_is_accepted_once(crowd, organization):
    RouteFactory(organization=organization)
    other = OrganizationFactory()
    answers = crowd.bring(
        bring(organization, "order.first"),
        bring(organization, "order.a", 1, idempotency_key="k"),
        bring(organization, "order.b", 2, idempotency_key="k"),
        bring(other, "order.c", 3, idempotency_key="k"),
        lambda: accept_events(
            organization,
            [Draft("order.d", 4, idempotency_key="k"), Draft("order.e", 5, idempotency_key="new")],
        ),
    )
    _, a, b, c, (d, e) = answers
    assert [one.duplicate for one in (a, b, c, d, e)] == [False, True, False, True, False]
    assert a.event_id == b.event_id == d.event_id
    assert [one.items for one in (a, b, c, d, e)] == [1, 1, 0, 1, 1]
    assert sorted(Event.objects.exclude(data=None).values_list("data", flat=True)) == [1, 3, 5]
    assert QueueItem.objects.count() == 3


def batch(organization, kind, key="", count=intake.MOST_TOGETHER):
    """Bring so many events at once that they are a group of their own; ``key`` is the first one's."""
    drafts = [
        Draft(kind, number, idempotency_key=f"{key}{number}" if key else None) for number in range(count)
    ]
    return lambda: accept_events(organization, drafts)


class TestBatches:
    """A batch is a group of its own, and waits only where one alone can write: on SQLite."""

    def test_those_that_wait_go_together_and_each_gets_its_own_answers(self, crowd, organization):
        other = OrganizationFactory()
        RouteFactory(organization=organization)
        RouteFactory(organization=other, type_pattern="order.c")
        _, b, c, d = crowd.bring(
            batch(organization, "order.a"),
            batch(organization, "order.b", "k", count=60),
            batch(other, "order.c"),
            batch(organization, "order.d", "k", count=55),
        )
        one_writer = connection.vendor == "sqlite"
        assert [len(group) for group in crowd.groups] == ([50, 165] if one_writer else [50, 60, 50, 55])
        assert [len(answers) for answers in (b, c, d)] == [60, 50, 55]
        assert {one.items for one in b + c + d} == {1}
        assert [one.duplicate for one in b + c] == [False] * 110
        assert [one.event_id for one in d] == [one.event_id for one in b[:55]]
        kept = {event.pk: (event.type, event.data) for event in Event.objects.all()}
        assert [kept[one.event_id] for one in b] == [("order.b", number) for number in range(60)]
        assert [kept[one.event_id] for one in c] == [("order.c", number) for number in range(50)]
        assert QueueItem.objects.count() == len(kept) == 50 + 60 + 50

    def test_one_that_cannot_be_kept_fails_none_of_its_neighbours(self, crowd, organization):
        RouteFactory(organization=organization)
        gone = Organization(pk=987654)
        _, before, poison, after = crowd.bring(
            *(batch(each, "order.a") for each in (organization, organization, gone, organization))
        )
        assert isinstance(poison, IntegrityError)
        assert [len(answers) for answers in (before, after)] == [50, 50]
        assert Event.objects.count() == QueueItem.objects.count() == 150

    def test_a_quota_holds_for_all_of_them(self, crowd):
        bound = OrganizationFactory(events_per_day=150)
        _, fits, beyond, small = crowd.bring(
            batch(bound, "order.a"),
            batch(bound, "order.b"),
            batch(bound, "order.c", count=60),
            batch(bound, "order.d"),
        )
        assert len(fits) == len(small) == 50
        assert isinstance(beyond, QuotaExceeded)
        assert Event.objects.count() == 150


def test_nobody_is_told_it_is_kept_where_the_commit_failed(crowd, organization, monkeypatch):
    RouteFactory(organization=organization)
    real = intake.write

    def write_then_lose_the_database(arrivals, rows):
        written = real(arrivals, rows)
        if len(crowd.groups) > 1:
            raise OperationalError("The connection was lost.")
        return written

    monkeypatch.setattr(intake, "write", write_then_lose_the_database)
    first, *others = crowd.bring(
        bring(organization, "order.first"), bring(organization, "order.a"), bring(organization, "order.b")
    )
    assert [type(other) for other in others] == [OperationalError, OperationalError]
    assert Event.objects.get().pk == first.event_id


def test_a_route_changed_a_moment_ago_holds(organization):
    """Also one that another process changed: nothing but the present rows decides."""
    route = RouteFactory(organization=organization)
    assert accept_event(organization, Draft("order.a")).items == 1
    type(route).objects.filter(pk=route.pk).update(enabled=False)
    assert accept_event(organization, Draft("order.b")).items == 0
    type(route).objects.filter(pk=route.pk).update(enabled=True, type_pattern="order.c")
    assert accept_event(organization, Draft("order.b")).items == 0
    assert accept_event(organization, Draft("order.c")).items == 1
    route.delete()
    assert accept_event(organization, Draft("order.c")).items == 0
