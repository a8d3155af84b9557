"""PostgreSQL's times are read as psycopg reads them, only sooner."""

from datetime import UTC, datetime

import pytest
from django.db.backends.postgresql.psycopg_any import BaseTzLoader
from psycopg import DataError

from hub.lib.timestamps import TimestampLoader


class Psycopg(BaseTzLoader):
    """What Django uses by itself."""

    timezone = UTC


@pytest.mark.parametrize(
    "text",
    [
        b"2026-01-31 12:00:00+00",
        b"2026-01-31 12:00:00.5+00",
        b"2026-01-31 12:00:00.120000+00",
        b"2026-01-31 23:59:59.999999+00",
        b"0001-01-01 00:00:00+00",
        b"9999-12-31 23:59:59.999999+00",
        # A session that is not in UTC.
        b"2026-01-31 12:00:00.25+05:30",
        b"2026-01-31 12:00:00-03",
    ],
)
def test_reads_what_psycopg_reads(text: bytes) -> None:
    found, expected = (loader(0, None).load(memoryview(text)) for loader in (TimestampLoader, Psycopg))
    assert isinstance(found, datetime)
    assert (found, found.tzinfo) == (expected, UTC)


@pytest.mark.parametrize("text", [b"0044-03-15 00:00:00+00 BC", b"20000-01-01 00:00:00+00", b"infinity"])
def test_refuses_what_psycopg_refuses(text: bytes) -> None:
    with pytest.raises(DataError):
        TimestampLoader(0, None).load(text)
