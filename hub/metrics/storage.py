"""How large the hub's tables are: asked of the database's files, whatever they hold."""

from django.db import connection

#: Part → table; what is in none of them is "other".
PARTS = {
    "events": "events_event",
    "queue": "delivery_queueitem",
    "log": "delivery_integrationlog",
    "webhooks": "webhooks_receivedwebhook",
}
_POSTGRESQL = "SELECT coalesce(pg_total_relation_size(to_regclass(%s)), 0)"


def sizes() -> dict[str, int]:
    """Return bytes by part, indexes included; SQLite keeps all in one file, so there it is one ("all")."""
    with connection.cursor() as cursor:
        if connection.vendor != "postgresql":
            cursor.execute("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()")
            return {"all": int(cursor.fetchone()[0])}
        found = {}
        for part, table in PARTS.items():
            cursor.execute(_POSTGRESQL, [table])
            found[part] = int(cursor.fetchone()[0])
        cursor.execute("SELECT pg_database_size(current_database())")
        return {**found, "other": max(0, int(cursor.fetchone()[0]) - sum(found.values()))}
