"""What a session with PostgreSQL begins with and how its answers are read, asked of PostgreSQL."""

from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection, connections
from psycopg.pq import Format

from hub.lib.databases import tuned
from hub.lib.timestamps import TimestampLoader

TIMESTAMPTZ = 1184

pytestmark = [pytest.mark.services, pytest.mark.django_db]


def compiles(session: Any) -> str:
    with session.cursor() as cursor:
        return str(cursor.execute("SHOW jit").fetchone()[0])


def test_nothing_is_compiled() -> None:
    assert compiles(connection) == "off"


def test_what_the_url_says_holds() -> None:
    address = {**connection.settings_dict, "OPTIONS": {"options": "-c jit=on"}}
    wrapper = type(connections["default"])
    with closing(wrapper({**connection.settings_dict, **tuned(address)}, alias="own")) as session:
        assert compiles(session) == "on"


def test_times_are_read_the_short_way() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT '2026-01-31 13:00:00.5+01'::timestamptz")
        assert cursor.fetchone()[0] == datetime(2026, 1, 31, 12, 0, 0, 500_000, tzinfo=UTC)
    adapters = connection.connection.adapters
    assert adapters.get_loader(TIMESTAMPTZ, Format.TEXT) is TimestampLoader
