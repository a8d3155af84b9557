"""Many rows in one statement: as the ORM would write them."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import uuid4

import pytest
from django.db import DataError, IntegrityError, connection, transaction

from hub.events.models import Event
from hub.lib.insert import Insert
from tests.factories import OrganizationFactory

pytestmark = pytest.mark.django_db
COLUMNS = ("id", "type", "time", "data", "received_at", "organization_id", "idempotency_key")
NOW = datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture
def organization():
    return OrganizationFactory()


def row(organization, data=None, key=None, pk=None, time=NOW):
    return (pk or uuid4(), "order.paid", time, data, NOW, organization.pk, key)


def run(rows, **options):
    with transaction.atomic():
        return Insert(Event, *COLUMNS, **options).run(rows)


@pytest.mark.parametrize(
    "data",
    [None, {"ü": [1.5, None, True, "\\u0000", 'a"b\\']}, [], "", 0, False, 10**30, "NULL", {"a": "{1,2}"}],
)
def test_a_row_reads_as_the_orm_would_have_written_it(organization, data):
    given = row(organization, data, "k")
    assert run([given]) == 1
    inserted = Event.objects.get()
    made = Event(**dict(zip(COLUMNS, given, strict=True)))
    made.id = uuid4()
    made.idempotency_key = "other"
    made.save()
    again = Event.objects.get(pk=made.pk)
    for field in Event._meta.concrete_fields:
        if field.name not in ("id", "idempotency_key", "received_at"):
            assert getattr(inserted, field.attname) == getattr(again, field.attname), field.name
    assert (inserted.id, inserted.data, inserted.time, inserted.received_at) == (given[0], data, NOW, NOW)
    assert Event.objects.filter(data__isnull=data is None).count() == 2


def test_times_are_kept_whatever_their_offset(organization):
    elsewhere = NOW.astimezone(timezone(timedelta(hours=-9)))
    run([row(organization, time=elsewhere)])
    assert Event.objects.get(time=NOW).time == NOW


def test_rows_are_inserted_in_their_order_and_counted(organization):
    assert run([]) == 0
    assert run([row(organization, number) for number in range(300)]) == 300
    assert Event.objects.count() == 300


def test_what_is_there_already_is_left_out_and_of_several_the_first_counts(organization):
    once = ("organization_id", "idempotency_key")
    run([row(organization, 1, "a")])
    rows = [
        row(organization, data, key) for data, key in [(2, "a"), (3, "b"), (4, "b"), (5, None), (6, None)]
    ]
    assert run(rows, once=once) == 3
    found = Event.objects.order_by("received_at").values_list("data", flat=True)
    assert sorted(found) == [1, 3, 5, 6]
    assert run([row(OrganizationFactory(), 7, "a")], once=once) == 1


def test_what_was_prepared_apart_is_inserted_as_one(organization):
    insert = Insert(Event, *COLUMNS)
    parts = [[], [row(organization, 1), row(organization, 2)], [row(organization, 3)]]
    prepared = [insert.prepare(part) for part in parts]
    with transaction.atomic():
        assert insert.run_prepared(insert.join(prepared)) == 3
        assert insert.run_prepared(insert.join(prepared[:1])) == insert.run_prepared(insert.join([])) == 0
    assert sorted(Event.objects.values_list("data", flat=True)) == [1, 2, 3]


def test_without_once_a_repetition_is_an_error(organization):
    with pytest.raises(IntegrityError):
        run([row(organization, 1, "a"), row(organization, 2, "a")])
    assert not Event.objects.exists()


def test_too_long_a_text_is_refused_where_lengths_hold(organization):
    if connection.vendor != "postgresql":
        return  # SQLite keeps any length; the intake checks it
    with pytest.raises(DataError):
        run([(uuid4(), "x" * 201, NOW, None, NOW, organization.pk, None)])
