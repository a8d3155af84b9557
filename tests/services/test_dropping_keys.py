"""A foreign key that costs goes from PostgreSQL while the hub and others read and write."""

import pytest
from django.db import connection

from hub.delivery.models import QueueItem
from hub.lib.migrations import DropForeignKey
from tests.hub.lib.test_migrations import TABLE, apply, keys_of

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def dropping() -> DropForeignKey:
    field = QueueItem._meta.get_field("integration").clone()
    field.db_constraint = False
    return DropForeignKey("queueitem", "integration", field)


def test_who_reads_for_long_holds_up_neither_the_others_nor_the_key_for_good(
    dropping: DropForeignKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = keys_of("integration_id")
    assert own
    reader = connection.copy()
    waits: list[float] = []

    def pause(seconds: float) -> None:
        waits.append(seconds)
        assert not QueueItem.objects.exists(), "others read and write meanwhile"
        reader.rollback()

    monkeypatch.setattr("hub.lib.migrations.time.sleep", pause)
    reader.set_autocommit(False)
    with reader.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {TABLE}")
    try:
        apply(dropping, "database_forwards")
        assert not keys_of("integration_id")
        with connection.cursor() as cursor:
            cursor.execute("SHOW lock_timeout")
            assert cursor.fetchone() == ("0",)
    finally:
        reader.close()
        apply(dropping, "database_backwards")
    assert waits == [1.0]
    assert keys_of("integration_id") == own
