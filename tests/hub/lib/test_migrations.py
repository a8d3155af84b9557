"""Operations for migrations beside a running hub, on the database of the run."""

from typing import Any

import pytest
from django.apps import apps
from django.db import connection, models
from django.db.migrations.state import ProjectState

from hub.delivery.models import QueueItem
from hub.lib.migrations import DropForeignKey, DropIndexOf

pytestmark = pytest.mark.django_db(transaction=True)
TABLE = "delivery_queueitem"


def indexes_of(column: str) -> set[str]:
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, TABLE)
    return {name for name, facts in found.items() if facts["index"] and facts["columns"] == [column]}


def apply(operation: Any, deed: str) -> None:
    """Run the operation between the state of today and itself."""
    before = ProjectState.from_apps(apps)
    after = before.clone()
    operation.state_forwards("delivery", after)
    states = (before, after) if deed == "database_forwards" else (after, before)
    with connection.schema_editor(atomic=False) as editor:
        getattr(operation, deed)("delivery", editor, *states)


def test_only_the_fields_own_index_goes_and_it_can_come_back() -> None:
    field = QueueItem._meta.get_field("source_id").clone()
    field.db_index = False
    operation = DropIndexOf("queueitem", "source_id", field)
    own, others = indexes_of("source_id"), indexes_of("external_id") | indexes_of("mapping_id")
    assert own
    try:
        apply(operation, "database_forwards")
        assert not indexes_of("source_id")
        assert indexes_of("external_id") | indexes_of("mapping_id") == others
        apply(operation, "database_forwards")  # broken off half way, it is done again
    finally:
        apply(operation, "database_backwards")
    assert indexes_of("source_id")


def test_what_meta_names_stays() -> None:
    field = models.CharField(max_length=200, blank=True)
    apply(DropIndexOf("queueitem", "external_id", field), "database_forwards")
    assert indexes_of("external_id") == {"queue_external"}


def test_after_all_migrations_each_column_has_the_indexes_that_the_models_say() -> None:
    assert not indexes_of("organization_id")
    assert indexes_of("external_id") == {"queue_external"}
    assert indexes_of("mapping_id") == {"queue_mapping"}
    assert indexes_of("replay_of_id") == {"queue_replay"}


def keys_of(column: str) -> set[str]:
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, TABLE)
    return {name for name, facts in found.items() if facts["foreign_key"] and facts["columns"] == [column]}


def test_a_foreign_key_goes_where_it_costs_and_can_come_back() -> None:
    field = QueueItem._meta.get_field("integration").clone()
    field.db_constraint = False
    operation = DropForeignKey("queueitem", "integration", field)
    own, others = keys_of("integration_id"), keys_of("mapping_id")
    assert own
    gone = set() if connection.vendor == "postgresql" else own
    try:
        apply(operation, "database_forwards")
        assert keys_of("integration_id") == gone
        assert keys_of("mapping_id") == others
        apply(operation, "database_forwards")  # broken off half way, it is done again
    finally:
        apply(operation, "database_backwards")
    assert keys_of("integration_id") == own
