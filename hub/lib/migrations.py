"""Operations for migrations that run while the hub does."""

from typing import Any

from django.db.migrations.operations import AddIndex


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
