"""Cutting times to the minute or the day, in the database."""

from datetime import datetime, timedelta
from typing import Any

from django.db.models import BigIntegerField, DateTimeField, Func


class StartOfMinute(Func):
    """The full minute of a time. Django's TruncMinute calls Python for each row on SQLite."""

    arity = 1
    function = "date_trunc"
    template = "%(function)s('minute', %(expressions)s)"
    output_field = DateTimeField()

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, Any]:
        """Cut the text that a time is there."""
        return super().as_sql(compiler, connection, template="substr(%(expressions)s, 1, 16) || ':00'")


class StartOfDay(Func):
    """The day of UTC in which a time lies, as its first moment."""

    arity = 1
    function = "date_trunc"
    template = "%(function)s('day', %(expressions)s AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'"
    output_field = DateTimeField()

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, Any]:
        """Cut the text that a time is there."""
        return super().as_sql(compiler, connection, template="substr(%(expressions)s, 1, 10) || ' 00:00:00'")


class SpanOf(Func):
    """In which of the spans of ``step`` that begin with ``first`` a time lies, from 0; whole seconds."""

    arity = 1
    template = "((floor(extract(epoch FROM %(expressions)s))::bigint - %(first)d) / %(step)d)"
    output_field = BigIntegerField()

    def __init__(self, at: str, first: datetime, step: timedelta):
        super().__init__(at, first=int(first.timestamp()), step=step // timedelta(seconds=1))

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, Any]:
        """The same of the text that a time is there."""
        template = "((CAST(strftime('%%%%s', %(expressions)s) AS INTEGER) - %(first)d) / %(step)d)"
        return super().as_sql(compiler, connection, template=template)
