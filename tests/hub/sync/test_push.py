"""A push sends what the integration does not have, once, and accounts for each row."""

import time
from datetime import timedelta

import pytest
from django.utils import timezone

from hub.delivery.models import IntegrationLog, LogKind
from hub.mapping.models import FieldMapping
from hub.sync import changes, leases
from hub.sync.models import DeletePolicy, ExternalLink, Record, RunState, Sync, SyncRun
from hub.sync.records import Given, delete, upsert
from hub.sync.run import advance, run_until_idle
from hub.sync.starting import AlreadyOpen, start
from integrations.base.errors import AuthError, RateLimited, TransientError
from tests.hub.sync.conftest import Crm

pytestmark = pytest.mark.django_db


def fill(sync: Sync, *names: str) -> None:
    upsert(sync.type, [Given(str(n), {"id": str(n), "name": name}) for n, name in enumerate(names, 1)])


def go(sync: Sync, **options: object) -> SyncRun:
    run = start(sync, **options)
    run_until_idle()
    run.refresh_from_db()
    return run


def counts(run: SyncRun) -> dict[str, int]:
    names = ("created", "updated", "deleted", "unchanged", "rejected", "skipped")
    return {name: getattr(run, name) for name in names if getattr(run, name)}


def test_only_what_changed_goes_out_in_batches(push: Sync, crm: Crm):
    fill(push, *"abcdefg")
    first = go(push)
    assert (first.state, counts(first), first.total) == (RunState.COMPLETED, {"created": 7}, 7)
    assert crm.batches == [["1", "2", "3"], ["4", "5", "6"], ["7"]]
    fill(push, *"abXdefg")
    second = go(push)
    assert counts(second) == {"updated": 1, "unchanged": 6}
    assert crm.batches[3:] == [["3"]]
    assert ExternalLink.objects.get(record__key="3").external_id == "crm-3"
    assert counts(go(push)) == {"unchanged": 7}


def test_a_rejected_row_fails_alone_and_can_be_tried_again(push: Sync, crm: Crm):
    fill(push, "a", "bad", "c", "d")
    crm.bad = {"bad"}
    run = go(push)
    assert (run.state, counts(run)) == (RunState.COMPLETED, {"created": 3, "rejected": 1})
    row = run.rejected_rows.get()
    assert (row.key, row.row) == ("2", {"id": "2", "name": "bad"})
    assert row.reason == "The name is refused. name: not a name"
    crm.bad = set()
    again = go(push, retry_of=run)
    assert (counts(again), again.total) == ({"created": 1}, 1)
    assert crm.batches[-1] == ["2"]


def test_where_a_batch_is_refused_as_a_whole_the_bad_row_still_fails_alone(push: Sync, crm: Crm):
    fill(push, "a", "worse", "c")
    crm.whole = {"worse"}
    assert counts(go(push)) == {"created": 2, "rejected": 1}
    assert sorted(crm.people) == ["1", "3"]


def test_a_record_that_the_mapping_cannot_take_is_told(push: Sync, crm: Crm):
    push.mapping = FieldMapping.objects.create(
        organization=push.organization,
        name="m",
        slug="m",
        rules=[
            {"source": "data.id", "target": "id"},
            {"source": "data.full", "target": "name", "required": True},
        ],
    )
    push.save()
    upsert(push.type, [Given("1", {"id": "1"}), Given("2", {"id": "2", "full": "Ann"})])
    run = go(push)
    assert counts(run) == {"created": 1, "rejected": 1}
    assert "data.full" in run.rejected_rows.get().reason


def test_another_mapping_sends_everything_again(push: Sync, crm: Crm):
    fill(push, "a", "b")
    go(push)
    push.mapping = FieldMapping.objects.create(
        organization=push.organization, name="m", slug="m", rules=[{"source": "data.id", "target": "id"}]
    )
    push.save()
    assert counts(go(push)) == {"updated": 2}


def test_a_failure_that_may_pass_is_tried_again_where_it_stopped(push: Sync, crm: Crm):
    fill(push, *"abcdef")
    crm.fails = [TransientError("Down."), TransientError("Still down.")]
    run = go(push)
    assert (run.state, counts(run)) == (RunState.COMPLETED, {"created": 6})
    assert len(set(crm.keys[:3])) == 1  # the same batch, the same idempotency key
    outcomes = IntegrationLog.objects.filter(kind=LogKind.SYNC, item_id=run.pk).order_by("pk")
    assert list(outcomes.values_list("outcome", flat=True)) == ["transient", "transient", "ok", "ok"]


def test_what_came_through_beside_a_failure_is_not_sent_again(push: Sync, crm: Crm):
    push.integration.max_in_flight = 4
    push.integration.save()
    fill(push, *"abcdefghi")
    broken: list[int] = []

    real = crm.upsert

    def upsert_but_first(ctx, people):
        if people[0].id == "1" and not broken:
            broken.append(1)
            raise TransientError("Down.")
        return real(ctx, people)

    object.__setattr__(push.integration.provider.actions[0], "run_many", upsert_but_first)
    run = go(push)
    assert (run.state, counts(run)) == (RunState.COMPLETED, {"created": 9})
    assert sorted(key for batch in crm.batches for key in batch) == list("123456789")


def test_a_refused_credential_holds_the_run_and_resuming_ends_it(push: Sync, crm: Crm):
    fill(push, "a")
    crm.fails = [AuthError("The key is revoked.")]
    run = go(push)
    push.integration.refresh_from_db()
    assert (push.integration.status, run.state) == ("reconnect", RunState.PENDING)
    assert "needs reconnecting" in run.message
    push.integration.resume()
    SyncRun.objects.update(due_at=timezone.now())
    run_until_idle()
    run.refresh_from_db()
    assert (run.state, counts(run)) == (RunState.COMPLETED, {"created": 1})


def test_the_providers_wait_is_kept(push: Sync, crm: Crm):
    fill(push, "a")
    crm.fails = [RateLimited("Slow down.", retry_after=600)]
    run = go(push)
    assert run.state == RunState.PENDING
    assert run.due_at > timezone.now() + timedelta(seconds=500)
    push.integration.refresh_from_db()
    assert push.integration.blocked_until is not None


def test_the_schedule_of_tries_ends_in_a_failure_that_can_be_resumed(push: Sync, crm: Crm):
    push.integration.schedule = []
    push.integration.save()
    fill(push, "a")
    crm.fails = [TransientError("Down.")] * 3
    run = go(push)
    assert run.state == RunState.FAILED
    assert "Down." in run.message
    assert leases.resume(run, timezone.now())
    run_until_idle()
    run.refresh_from_db()
    assert run.state == RunState.COMPLETED


def test_deletes_follow_the_policy(push: Sync, crm: Crm):
    fill(push, "a", "b")
    go(push)
    delete(push.type, "1")
    assert counts(go(push)) == {"skipped": 1, "unchanged": 1}
    assert counts(go(push)) == {"unchanged": 2}
    push.delete_policy, push.delete_action = DeletePolicy.DELETE, "remove"
    push.save()
    delete(push.type, "2")
    assert counts(go(push)) == {"deleted": 1, "unchanged": 1}
    assert crm.removed == ["2"]
    assert ExternalLink.objects.get(record__key="2").external_id == ""
    fill(push, "a", "b")
    assert counts(go(push)) == {"created": 1, "updated": 1}


def test_a_filter_leaves_the_others_out(push: Sync, crm: Crm):
    fill(push, "a", "b", "c")
    assert counts(go(push, filter="data.name == 'b'")) == {"created": 1, "skipped": 2}
    assert crm.people == {"2": "b"}


def test_a_dry_run_counts_and_sends_nothing(push: Sync, crm: Crm):
    fill(push, "a", "b")
    run = go(push, dry_run=True)
    assert (crm.batches, run.state, ExternalLink.objects.count()) == ([], RunState.COMPLETED, 0)
    assert counts(run) == {"created": 2}


def test_many_windows_are_counted_right(push: Sync, crm: Crm, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(changes, "WINDOW", 4)
    fill(push, *map(str, range(11)))
    assert counts(go(push)) == {"created": 11}
    fill(push, *map(str, range(10)), "new")
    assert counts(go(push)) == {"updated": 1, "unchanged": 10}


def test_a_run_is_paused_resumed_and_cancelled_between_batches(push: Sync, crm: Crm):
    fill(push, *"abcdefghi")
    run = start(push)
    crm.during = lambda: leases.pause(run) and None
    run_until_idle()
    run.refresh_from_db()
    assert (run.state, run.created, run.percent) == (RunState.PAUSED, 3, 33)
    crm.during = lambda: leases.cancel(run, timezone.now()) and None
    assert leases.resume(run, timezone.now())
    run_until_idle()
    run.refresh_from_db()
    assert (run.state, run.created) == (RunState.CANCELLED, 6)
    assert not leases.resume(run, timezone.now())


def test_a_worker_that_lost_its_lease_writes_nothing(push: Sync, crm: Crm):
    fill(push, "a", "b")
    start(push)
    zombie = leases.claim("zombie", -1, timezone.now())
    assert zombie is not None
    run_until_idle()
    before = SyncRun.objects.values().get()
    Record.objects.update(fingerprint="other")
    advance(zombie)
    assert SyncRun.objects.values().get() == before
    assert set(ExternalLink.objects.values_list("fingerprint", flat=True)) != {"other"}


def test_a_sync_has_one_open_run(push: Sync):
    run = start(push)
    with pytest.raises(AlreadyOpen) as caught:
        start(push)
    assert caught.value.run == run


def test_within_a_limit_exactly_the_limit_is_used(push: Sync, crm: Crm):
    rate, calls = 10, 30
    push.integration.rate_count, push.integration.rate_seconds = rate, 1
    push.integration.max_in_flight = 1
    push.integration.save()
    fill(push, *(f"N{n}" for n in range(3 * calls)))
    times: list[float] = []
    crm.during = lambda: times.append(time.monotonic())
    assert counts(go(push)) == {"created": 3 * calls}
    assert len(times) == calls
    # In no second more, and in no second (and the little by which the limiter's is longer) less.
    assert all(after - before >= 1 for before, after in zip(times, times[rate:], strict=False))
    ideal = (calls - rate) / rate
    assert times[calls - rate] - times[0] <= ideal * 1.25


def test_the_rate_limit_is_kept_to_the_call(push: Sync, crm: Crm):
    push.integration.rate_count, push.integration.rate_seconds = 2, 3600
    push.integration.save()
    fill(push, *"abcdefghijkl")
    run = go(push)
    assert len(crm.batches) == 2
    assert (run.state, counts(run)) == (RunState.PENDING, {"created": 6})
    assert "rate limit" in run.message
