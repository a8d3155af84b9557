"""How the hub talks to its database, whichever it is: options beside what HUB_DATABASE_URL says."""

from typing import Any

_SQLITE: dict[str, Any] = {
    # Every writing transaction takes the write lock at its start, so that none fails half way.
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    # FULL: what is committed survives a power cut. Accepted means durable.
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-16000;",
}
#: A server that vanished without a word is given up after seconds; the system alone would wait for minutes.
_POSTGRESQL: dict[str, Any] = {
    "connect_timeout": 5,
    "tcp_user_timeout": 20_000,
    "keepalives_idle": 20,
    "keepalives_interval": 5,
}
#: The hub's questions are short: compiling one took up to ten times as long as answering it.
_SESSION = "-c jit=off"
#: What is written again and again (``hub.lib.insert``, settling) is planned once, after so many times.
_PREPARE_AFTER = 5
_READ_ONLY = "-c default_transaction_read_only=on"


def tuned(address: dict[str, Any]) -> dict[str, Any]:
    """Return Django's settings of a database with the hub's options; those of its URL win (PostgreSQL)."""
    if address["ENGINE"] == "django.db.backends.sqlite3":
        more: dict[str, Any] = {"OPTIONS": _SQLITE}
    else:
        options = {**_POSTGRESQL, **address.get("OPTIONS", {}), **_session(address)}
        more = {"OPTIONS": options, "CONN_HEALTH_CHECKS": True}
    # Also with SQLite: opening and closing a database in WAL mode costs more than most requests.
    return {**address, **more, "CONN_MAX_AGE": 600}


def replica(address: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of a copy that is only read: given up sooner, for there is another one."""
    settings = tuned(address)
    settings["OPTIONS"] = {**settings["OPTIONS"]}
    if address["ENGINE"] != "django.db.backends.sqlite3":
        asked = f"{settings['OPTIONS'].get('options', '')} {_READ_ONLY}".strip()
        settings["OPTIONS"] |= {"connect_timeout": 2, "options": asked}
    return {**settings, "TEST": {"MIRROR": "default"}}


def _session(address: dict[str, Any]) -> dict[str, Any]:
    """Return what a session begins with: the hub's, then the URL's own, of which the later one holds.

    PgBouncer in front, which refuses what it does not know and gives each transaction another session, is
    told by the mark that it needs anyway.
    """
    if address.get("DISABLE_SERVER_SIDE_CURSORS"):
        return {}
    return {
        "options": f"{_SESSION} {address.get('OPTIONS', {}).get('options', '')}".strip(),
        "prepare_threshold": _PREPARE_AFTER,
    }
