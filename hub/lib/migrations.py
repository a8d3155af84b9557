"""Operations for migrations that run while the hub does."""

import time
from typing import Any

from django.db import OperationalError
from django.db.migrations.operations import AddIndex, AlterField

#: How often a table is asked for, and seconds in which the others go on between.
TRIES, PAUSE = 60, 1.0


class AddIndexQuietly(AddIndex):
    """Build an index without holding up writes: concurrently on PostgreSQL, as usual elsewhere.

    The migration must say ``atomic = False``. Where it is broken off, PostgreSQL keeps an index that is
    marked invalid: drop that by hand, then migrate again.
    """

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Build it."""
        model = to_state.apps.get_model(app_label, self.model_name)
        if not self.allow_migrate_model(schema_editor.connection.alias, model):
            return
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.add_index(model, self.index, concurrently=True)
        else:
            schema_editor.add_index(model, self.index)


class Widen(AlterField):
    """Let a text be longer: PostgreSQL notes it without touching a row, and old code writes as before."""


class AlterWords(AlterField):
    """Keep up with a field's help text, name for people or choices: no column is touched."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Do nothing."""

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Do nothing."""


class DropIndexOf(AlterField):
    """Drop a field's own index (its ``db_index``) and nothing else, without holding up writes.

    Django's own way makes a foreign key anew, which reads the whole table, and on SQLite copies it.
    The migration must say ``atomic = False``.
    """

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Drop it; where it is gone already there is nothing to do."""
        model = from_state.apps.get_model(app_label, self.model_name)
        if not self.allow_migrate_model(schema_editor.connection.alias, model):
            return
        quiet = " CONCURRENTLY" if schema_editor.connection.vendor == "postgresql" else ""
        for name in _own_indexes(schema_editor.connection, model, self.name):
            schema_editor.execute(f"DROP INDEX{quiet} IF EXISTS {schema_editor.quote_name(name)}")

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Build it again."""
        model = to_state.apps.get_model(app_label, self.model_name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            schema_editor.execute(
                schema_editor._create_index_sql(model, fields=[model._meta.get_field(self.name)])
            )


class DropForeignKey(AlterField):
    """Let PostgreSQL no longer check a foreign key (its ``db_constraint``) which another one implies.

    It looks for the row that is named at every insert, row by row. On SQLite, where that costs little and
    the table would be copied, the key stays. The migration must say ``atomic = False``.
    """

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Drop it; where it is gone already there is nothing to do."""
        model = from_state.apps.get_model(app_label, self.model_name)
        if not self._concerns(schema_editor.connection, model):
            return
        column = model._meta.get_field(self.name).column
        for name in schema_editor._constraint_names(model, [column], foreign_key=True):
            _patiently(schema_editor, schema_editor._delete_fk_sql(model, name))

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Make it again; the rows that are there are checked."""
        model = to_state.apps.get_model(app_label, self.model_name)
        if self._concerns(schema_editor.connection, model):
            field = model._meta.get_field(self.name)
            suffix = "_fk_%(to_table)s_%(to_column)s"
            schema_editor.execute(schema_editor._create_fk_sql(model, field, suffix))

    def _concerns(self, connection: Any, model: Any) -> bool:
        return connection.vendor == "postgresql" and self.allow_migrate_model(connection.alias, model)


def _patiently(schema_editor: Any, statement: Any) -> None:
    """Run what needs a table for itself for a moment; raise OperationalError after ``TRIES``.

    Whoever waits for a table has all others wait behind: so it waits a second at a time.
    """
    for left in reversed(range(TRIES)):
        schema_editor.execute("SET lock_timeout = '1s'")
        try:
            schema_editor.execute(statement)
            return
        except OperationalError:
            if not left:
                raise
        finally:
            schema_editor.execute("RESET lock_timeout")
        time.sleep(PAUSE)


def _own_indexes(connection: Any, model: Any, field_name: str) -> list[str]:
    """Return the indexes over this field alone that no ``Meta`` names."""
    column = model._meta.get_field(field_name).column
    named = {index.name for index in model._meta.indexes}
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, model._meta.db_table)
    return [
        name
        for name, facts in found.items()
        if facts["index"] and not facts["unique"] and facts["columns"] == [column] and name not in named
    ]
