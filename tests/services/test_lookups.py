"""Look-ups of many keys on PostgreSQL read what they are asked for, however many rows there are."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from hub.sync import known
from hub.sync.models import ExternalLink, Record
from hub.sync.records import Given, fingerprints, upsert
from tests.factories import RecordTypeFactory, SyncFactory

pytestmark = [pytest.mark.services, pytest.mark.django_db]

ROWS, ASKED = 5_000, 20
KEYS = [f"person-{n}" for n in range(ROWS)]


@pytest.fixture(params=["no statistics", "statistics of before"])
def sync(request: pytest.FixtureRequest) -> Any:
    """A sync whose records have just come: the database knows nothing of them yet, or only of others."""
    if request.param == "statistics of before":
        _filled("customer")
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE sync_record, sync_externallink")
    return _filled("person")


@pytest.mark.parametrize(
    "look_up",
    [
        lambda sync, keys: fingerprints(sync.type, keys),
        lambda sync, keys: known.ids_of(sync, keys),
        lambda sync, keys: known.by_key(sync, keys),
        lambda sync, keys: known.by_external_id(sync, [f"far-{key}" for key in keys]),
    ],
    ids=["fingerprints", "ids_of", "by_key", "by_external_id"],
)
def test_a_look_up_reads_no_more_rows_than_it_returns(sync: Any, look_up: Callable[..., dict[str, Any]]):
    before = _rows_read()
    assert len(look_up(sync, KEYS[:ASKED])) == ASKED
    # A record and a link for each, and what the planner looks at.
    assert _rows_read() - before < 3 * ASKED


def _filled(name: str) -> Any:
    record_type = RecordTypeFactory(name=name)
    upsert(record_type, [Given(key, {"n": 1}) for key in KEYS])
    sync = SyncFactory(type=record_type, organization=record_type.organization)
    ids = Record.objects.filter(type=record_type).values_list("key", "id")
    ExternalLink.objects.bulk_create(
        ExternalLink(record_id=pk, integration=sync.integration, external_id=f"far-{key}") for key, pk in ids
    )
    return sync


def _rows_read() -> int:
    """How many rows of records and links this transaction has read."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) FROM pg_stat_xact_user_tables"
            " WHERE relname IN ('sync_record', 'sync_externallink')"
        )
        return int(cursor.fetchone()[0])
