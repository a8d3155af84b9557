"""Cutting times to the minute or the day, in the database."""

from typing import Any

from django.db.models import DateTimeField, Func


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
