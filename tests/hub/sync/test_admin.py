"""The admin's pages of records, syncs and runs."""

import csv
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from hub.accounts.models import Role
from hub.sync.models import Conflict, ExternalLink, Record, RunState, Sync, SyncRun
from hub.sync.records import Given, upsert
from hub.sync.run import run_until_idle
from hub.sync.starting import plan, start
from tests.factories import MembershipFactory, OrganizationFactory, SyncFactory
from tests.hub.sync.conftest import Crm

pytestmark = pytest.mark.django_db


def signed_in(sync: Sync, role: Role = Role.ADMIN) -> Client:
    client = Client()
    client.force_login(MembershipFactory(organization=sync.organization, role=role).user)
    return client


def fill(sync: Sync, *names: str) -> None:
    upsert(sync.type, [Given(str(n), {"id": str(n), "name": name}) for n, name in enumerate(names, 1)])


@pytest.mark.parametrize("model", ["record", "recordtype", "sync", "syncrun"])
def test_every_list_opens_and_shows_strangers_nothing(push: Sync, crm: Crm, model: str):
    fill(push, "Ann")
    start(push)
    run_until_idle()
    assert signed_in(push, Role.VIEWER).get(f"/admin/sync/{model}/").status_code == 200
    stranger = Client()
    stranger.force_login(MembershipFactory(organization=OrganizationFactory()).user)
    for url in (
        f"/admin/sync/record/{Record.objects.get().pk}/change/",
        f"/admin/sync/sync/{push.pk}/change/",
    ):
        assert stranger.get(url).status_code == 404


def test_a_records_page_shows_it_in_every_system(push: Sync, pull: Sync, crm: Crm):
    crm.pages = [[{"id": "1", "name": "Ann over there", "plan": "gold"}]]
    start(pull)
    run_until_idle()
    upsert(pull.type, [Given("1", {"id": "1", "name": "Ann here"})])
    page = signed_in(push, Role.VIEWER).get(f"/admin/sync/record/{Record.objects.get().pk}/change/")
    text = page.content.decode()
    for word in ("Ann here", "Ann over there", "gold", "differs", "Differs", "the next push tells"):
        assert word in text
    ExternalLink.objects.update(fingerprint=Record.objects.get().fingerprint)
    assert "In step" in signed_in(push).get(page.request["PATH_INFO"]).content.decode()


def test_a_sync_is_run_from_its_page_and_the_run_tells_what_it_came_to(push: Sync, crm: Crm):
    fill(push, "Ann", "=bad")
    crm.bad = {"=bad"}
    client = signed_in(push, Role.OPERATOR)
    begun = client.post(f"/admin/sync/sync/{push.pk}/do/run/")
    run = SyncRun.objects.get()
    assert begun["Location"] == f"/admin/sync/syncrun/{run.pk}/change/"
    waiting = client.get(begun["Location"]).content.decode()
    assert f"/admin/sync/syncrun/{run.pk}/progress/" in waiting
    run_until_idle()
    done = client.get(begun["Location"]).content.decode()
    assert "every 1s" not in done
    assert "by hand" in done
    assert "The name is refused." in done
    assert "id: 2 · name: =bad" in done
    assert "1 row was not taken." in done
    assert client.get(f"/admin/sync/syncrun/{run.pk}/progress/")["HX-Refresh"] == "true"
    crm.bad = set()
    again = client.post(f"/admin/sync/syncrun/{run.pk}/do/retry/")
    assert SyncRun.objects.get(retry_of=run).pk.hex in again["Location"].replace("-", "")
    assert client.get(f"/admin/sync/sync/{push.pk}/change/").status_code == 200


def test_the_rejected_rows_come_as_csv_that_no_spreadsheet_runs(push: Sync, crm: Crm):
    run = start(push)
    run.rejected_rows.create(key="=1+1", reason="No.", row={"id": "=1+1"})
    answer = signed_in(push, Role.VIEWER).get(f"/admin/sync/syncrun/{run.pk}/rejected.csv")
    header, line = csv.reader(b"".join(answer).decode().splitlines())
    assert (header, line) == (["key", "reason", "row"], ["'=1+1", "No.", '{"id": "=1+1"}'])


def test_a_run_is_paused_resumed_and_cancelled_by_an_operator_only(push: Sync, crm: Crm):
    run = start(push)
    base = f"/admin/sync/syncrun/{run.pk}/do"
    assert signed_in(push, Role.VIEWER).post(f"{base}/pause/").status_code == 403
    client = signed_in(push, Role.OPERATOR)
    for deed, state in (("pause", "paused"), ("resume", "pending"), ("cancel", "cancelled")):
        client.post(f"{base}/{deed}/")
        run.refresh_from_db()
        assert run.state == state
    assert run.finished_at is not None


def test_several_syncs_are_run_at_once(push: Sync, pull: Sync, crm: Crm):
    Sync.objects.filter(pk=pull.pk).update(enabled=False)
    answer = signed_in(push, Role.OPERATOR).post(
        "/admin/sync/sync/", {"action": "run_syncs", "_selected_action": [push.pk, pull.pk]}, follow=True
    )
    assert "1 run began. 1 was left out" in answer.content.decode()
    assert SyncRun.objects.get().sync == push


def form(sync: Sync, **changes: Any) -> dict[str, Any]:
    return {
        "organization": sync.organization_id,
        "name": "New",
        "slug": "new",
        "type": sync.type_id,
        "integration": sync.integration_id,
        "direction": "push",
        "action": "upsert",
        "delete_policy": "keep",
        "wins": "provider",
        "id_path": "id",
        "time_zone": "Europe/Berlin",
        "cron": "0 6 * * *",
        "enabled": "on",
        **changes,
    }


def test_a_new_sync_is_planned(push: Sync, crm: Crm):
    signed_in(push).post("/admin/sync/sync/add/", form(push))
    made = Sync.objects.get(slug="new")
    assert made.next_run_at is not None
    assert made.next_run_at > timezone.now()
    signed_in(push).post(f"/admin/sync/sync/{made.pk}/edit/", form(push, cron=""))
    made.refresh_from_db()
    assert made.next_run_at is None


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"action": "people"}, "cannot do this"),
        ({"direction": "pull"}, "cannot read this"),
        ({"cron": "often"}, "is no cron expression"),
        ({"time_zone": "Moon"}, "There is no time zone"),
        ({"delete_policy": "delete"}, "does with a deleted record"),
        ({"id_path": "a["}, "no JMESPath expression"),
    ],
)
def test_what_does_not_fit_is_told_beside_its_field(push: Sync, crm: Crm, changes: Any, told: str):
    answer = signed_in(push).post("/admin/sync/sync/add/", form(push, **changes))
    assert told in answer.content.decode()
    assert not Sync.objects.filter(slug="new").exists()


def test_a_record_type_with_a_bad_schema_is_refused(push: Sync, crm: Crm):
    fields = {"organization": push.organization_id, "name": "thing", "key_field": "id"}
    client = signed_in(push)
    bad = client.post("/admin/sync/recordtype/add/", {**fields, "schema": '{"type": "thing"}'})
    assert "schema.type" in bad.content.decode()
    assert client.post("/admin/sync/recordtype/add/", {**fields, "schema": "{}"}).status_code == 302


def test_an_integrations_page_names_its_syncs(push: Sync, crm: Crm):
    page = signed_in(push).get(f"/admin/connections/integration/{push.integration_id}/change/")
    assert f"/admin/sync/sync/{push.pk}/change/" in page.content.decode()


def test_a_paused_run_is_worked_on_by_nobody(push: Sync, crm: Crm):
    fill(push, "Ann")
    run = start(push)
    signed_in(push).post(f"/admin/sync/syncrun/{run.pk}/do/pause/")
    assert run_until_idle() == 0
    run.refresh_from_db()
    assert (run.state, crm.batches) == (RunState.PAUSED, [])


def test_a_conflict_shows_both_values_and_one_click_decides_it(db: Any, client: Any) -> None:
    sync = SyncFactory(direction="pull", name="From the CRM")
    upsert(sync.type, [Given("1", {"id": "1", "name": "Anna"})])
    record = Record.objects.get()
    ExternalLink.objects.create(record=record, integration=sync.integration, external_id="x")
    conflict = Conflict.objects.create(
        organization=sync.organization,
        sync=sync,
        integration=sync.integration,
        record=record,
        fields={"name": {"hub": "Anna", "provider": "Anne"}},
    )
    user = MembershipFactory(organization=sync.organization, role=Role.OPERATOR).user
    client.force_login(user)
    assert "name" in client.get(reverse("admin:sync_conflict_changelist")).content.decode()
    page = client.get(reverse("admin:sync_conflict_change", args=[conflict.pk])).content.decode()
    assert "Anna" in page
    assert "Anne" in page
    client.post(reverse("admin:sync_conflict_do", args=[conflict.pk, "provider"]))
    conflict.refresh_from_db()
    assert (conflict.chosen, conflict.decided_by) == ("provider", str(user))
    assert Record.objects.get().data["name"] == "Anne"


def test_the_schedule_is_edited_on_the_integrations_own_page(db: Any, client: Any) -> None:
    sync = SyncFactory()
    page_of = reverse("admin:connections_integration_change", args=[sync.integration_id])
    client.force_login(MembershipFactory(organization=sync.organization, role=Role.ADMIN).user)
    assert 'name="cron"' in client.get(page_of).content.decode()
    act = reverse("admin:sync_sync_do", args=[sync.pk, "schedule"])
    wanted = {"cron": "0 6 * * *", "time_zone": "Europe/Berlin", "next": page_of}
    assert client.post(act, wanted).url == page_of
    sync.refresh_from_db()
    assert (sync.cron, sync.next_run_at is not None) == ("0 6 * * *", True)
    told = client.post(act, {**wanted, "cron": "often"}, follow=True).content.decode()
    assert "stays as it was" in told
    sync.refresh_from_db()
    assert sync.cron == "0 6 * * *"
    client.force_login(MembershipFactory(organization=sync.organization, role=Role.OPERATOR).user)
    assert client.post(act, wanted).status_code == 403


def test_a_syncs_page_tells_its_schedule_and_its_winners_in_words(push: Sync, crm: Crm) -> None:
    Sync.objects.filter(pk=push.pk).update(
        direction="pull", cron="0 6 * * 1-5", time_zone="Europe/Berlin", field_wins={"email": "hub"}
    )
    push.refresh_from_db()
    plan(push)
    push.save()
    page = signed_in(push, Role.VIEWER).get(f"/admin/sync/sync/{push.pk}/change/").content.decode()
    assert "At 06:00 on Monday through Friday, Europe/Berlin time" in page
    assert page.count("06:00 CE") == 3
    assert "never taken from there" in page


def test_runs_are_found_by_their_sync(push: Sync, pull: Sync, crm: Crm) -> None:
    for sync in (push, pull):
        start(sync)
    client = signed_in(push, Role.VIEWER)
    page = client.get(f"/admin/sync/syncrun/?sync={push.pk}").content.decode()
    assert page.count('class="data-row') == 1


def test_several_integrations_are_synced_at_once(db: Any, client: Any) -> None:
    sync = SyncFactory()
    SyncFactory(type=sync.type, integration=sync.integration, enabled=False)
    other = SyncFactory(type=sync.type)
    client.force_login(MembershipFactory(organization=sync.organization, role=Role.OPERATOR).user)
    chosen = [str(sync.integration_id), str(other.integration_id)]
    body = {"action": "sync_now", "_selected_action": chosen}
    told = client.post(reverse("admin:connections_integration_changelist"), body, follow=True)
    assert "2 runs began." in told.content.decode()
    assert set(SyncRun.objects.values_list("sync", flat=True)) == {sync.pk, other.pk}


@pytest.mark.parametrize(
    ("seconds", "done", "told"), [(60, 10, "about 2 minutes"), (60, 0, ""), (86_400, 10, "about 2 days")]
)
def test_a_run_tells_in_words_how_long_it_still_takes(push: Sync, seconds: int, done: int, told: str):
    began = timezone.now() - timedelta(seconds=seconds)
    run = SyncRun(sync=push, state=RunState.RUNNING, started_at=began, total=30, created=done)
    assert run.time_left == told
