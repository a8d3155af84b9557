"""Old and new code side by side, as in every deploy: the rules for migrations, and that they are enough."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.apps import apps
from django.db import connection, models
from django.db.migrations import operations
from django.db.migrations.loader import MigrationLoader

from hub.delivery import housekeeping, store
from hub.delivery.models import IntegrationLog, QueueItem, State
from hub.events.intake import Draft, accept_event
from hub.events.models import Event
from hub.lib.migrations import AddIndexQuietly, AlterWords, DropForeignKey, DropIndexOf, Widen
from tests.factories import IntegrationFactory, RouteFactory
from tests.hub.delivery.conftest import make_dispatcher

#: Tables that grow with the traffic: an index is built on them without holding up writes.
BUSY = {"event", "queueitem", "integrationlog", "receivedwebhook"}
#: What old code does not notice.
HARMLESS = (
    operations.CreateModel,
    operations.AlterModelOptions,
    operations.AlterModelManagers,
    AlterWords,
    DropForeignKey,
    DropIndexOf,
    Widen,
)
#: Made before there was a first release that somebody could upgrade from.
BEFORE_THE_FIRST_RELEASE = {
    ("events", "0002_mappings_go_with_their_organization"),
    ("delivery", "0004_index_of_problems"),
    ("webhooks", "0002_index_of_kept_calls"),
}


def later_operations() -> Iterator[tuple[tuple[str, str], Any]]:
    """Every operation of our own migrations but the first of each app."""
    for (app, name), migration in sorted(MigrationLoader(None).disk_migrations.items()):
        ours = apps.get_app_config(app).name.startswith(("hub.", "webhooks"))
        if ours and not getattr(migration, "initial", False):
            yield from (((app, name), operation) for operation in migration.operations)


def trouble(operation: Any) -> str:
    """Why old code could not go on beside this operation; "" where it can."""
    if isinstance(operation, HARMLESS):
        return ""
    if isinstance(operation, operations.AddField):
        field = operation.field
        if field.null or field.many_to_many or field.has_db_default():
            return ""
        return "give the new field null=True or db_default: old code inserts rows without it"
    if isinstance(operation, operations.AddIndex):
        if not isinstance(operation, AddIndexQuietly) and operation.model_name in BUSY:
            return "use hub.lib.migrations.AddIndexQuietly: this one holds up every write"
        return ""
    if isinstance(operation, operations.RunPython | operations.RunSQL):
        return "" if getattr(operation, "elidable", False) else "move data in a job, in batches"
    return "old code still uses this; stop using it in one release, and remove it in the next"


def test_migrations_let_the_former_release_go_on() -> None:
    told = [
        f"{'.'.join(place)}: {operation.describe()}: {why}"
        for place, operation in later_operations()
        if place not in BEFORE_THE_FIRST_RELEASE and (why := trouble(operation))
    ]
    assert not told, "\n".join(told)


@pytest.mark.parametrize(
    ("operation", "fine"),
    [
        (operations.AddField("queueitem", "x", models.IntegerField(null=True)), True),
        (operations.AddField("queueitem", "x", models.IntegerField(db_default=0)), True),
        (operations.AddField("queueitem", "x", models.IntegerField(default=0)), False),
        (operations.RemoveField("queueitem", "label"), False),
        (operations.RenameField("queueitem", "label", "title"), False),
        (operations.AddIndex("queueitem", models.Index(fields=["label"], name="x")), False),
        (AddIndexQuietly("queueitem", models.Index(fields=["label"], name="x")), True),
        (operations.AddIndex("organization", models.Index(fields=["name"], name="x")), True),
        (operations.DeleteModel("queueitem"), False),
    ],
)
def test_the_rules_tell_what_old_code_survives(operation: Any, fine: bool) -> None:
    assert (trouble(operation) == "") is fine


@pytest.mark.django_db(transaction=True)
def test_an_index_is_built_quietly_on_either_database() -> None:
    operation = AddIndexQuietly("queueitem", models.Index(fields=["label"], name="quiet"))
    state = MigrationLoader(None).project_state()
    table = QueueItem._meta.db_table

    def indexes() -> set[str]:
        with connection.cursor() as cursor:
            return set(connection.introspection.get_constraints(cursor, table))

    with connection.schema_editor(atomic=False) as editor:
        operation.database_forwards("delivery", editor, state, state)
    built = indexes()
    with connection.schema_editor(atomic=False) as editor:
        operation.database_backwards("delivery", editor, with_index(state, operation), state)
    assert "quiet" in built - indexes()


def with_index(state: Any, operation: AddIndexQuietly) -> Any:
    """The state that the operation leads to."""
    after = state.clone()
    operation.state_forwards("delivery", after)
    return after


@contextmanager
def newer_release() -> Iterator[None]:
    """The tables as a release to come might leave them: columns that this code does not know."""
    tables = [model._meta.db_table for model in (Event, QueueItem, IntegrationLog)]
    added = [
        ("of_a_newer_release", "varchar(20) NOT NULL DEFAULT 'unknown'"),
        ("also_new", "integer NULL"),
    ]
    with connection.cursor() as cursor:
        for table in tables:
            for name, kind in added:
                cursor.execute(f"ALTER TABLE {table} ADD COLUMN {name} {kind}")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            for table in tables:
                for name, _ in added:
                    cursor.execute(f"ALTER TABLE {table} DROP COLUMN {name}")


@pytest.mark.django_db(transaction=True)
def test_this_release_goes_on_beside_tables_of_the_next(door: Any) -> None:
    door.answer("POST", "/in", 204)
    integration = IntegrationFactory(settings={"url": "https://sink.example.com/in"})
    RouteFactory(
        organization=integration.organization, integration=integration, action="http.send", type_pattern="*"
    )
    with newer_release():
        accept_event(integration.organization, Draft(type="order.paid", idempotency_key="k-1"))
        accept_event(integration.organization, Draft(type="order.paid"))
        dispatcher = make_dispatcher()
        dispatcher.run_until_idle()
        dispatcher.shut_down(deadline=2)
        housekeeping.sweep()

        assert list(QueueItem.objects.values_list("state", flat=True)) == [State.COMPLETED] * 2
        assert IntegrationLog.objects.filter(outcome="ok").count() == 2
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT DISTINCT of_a_newer_release FROM {QueueItem._meta.db_table}")
            assert cursor.fetchall() == [("unknown",)]


@pytest.mark.django_db(transaction=True)
def test_two_releases_claim_side_by_side_and_share_nothing() -> None:
    """What one claims the other neither claims nor settles: the fence in the table decides."""
    integration = IntegrationFactory()
    RouteFactory(
        organization=integration.organization, integration=integration, action="http.send", type_pattern="*"
    )
    for _ in range(6):
        accept_event(integration.organization, Draft(type="order.paid"))
    now = QueueItem.objects.latest("due_at").due_at
    with newer_release():
        old = store.claim(integration.pk, 3, "old", 60, now)
        new = store.claim(integration.pk, 10, "new", 60, now)
        store.give_back(old)
        again = store.claim(integration.pk, 10, "new", 60, now)

    assert {item.id for item in old}.isdisjoint(item.id for item in new)
    assert {item.id for item in again} == {item.id for item in old}
    assert all(item.fence == 2 for item in again)
