"""No process waits for minutes for a database that is gone; what the operator says wins."""

from typing import Any

import environ

from hub.lib.databases import replica, tuned

URL = "postgres://hub@db:5432/hub"


def options(url: str) -> dict[str, Any]:
    return dict(tuned(environ.Env.db_url_config(url))["OPTIONS"])


def test_a_postgresql_that_vanished_is_given_up_after_seconds() -> None:
    found = options("postgres://hub@db:5432/hub")
    assert found["connect_timeout"] == 5
    assert found["tcp_user_timeout"] == 20_000


def test_the_url_wins() -> None:
    found = options("postgres://hub@db:5432/hub?connect_timeout=9&sslmode=require")
    assert (str(found["connect_timeout"]), found["sslmode"]) == ("9", "require")
    assert found["tcp_user_timeout"] == 20_000


def test_sqlite_keeps_what_is_committed() -> None:
    assert "synchronous=FULL" in str(options("sqlite:////tmp/hub.sqlite3")["init_command"])


def test_a_session_compiles_nothing_and_what_the_url_says_comes_last() -> None:
    assert options(URL)["options"].startswith("-c jit=off")
    found = options(f"{URL}?options=-c%20jit%3Don")
    assert found["options"].startswith("-c jit=off")
    assert found["options"].endswith(" -c jit=on")


def test_pgbouncer_is_asked_for_nothing_that_it_does_not_know() -> None:
    assert "options" not in options(f"{URL}?DISABLE_SERVER_SIDE_CURSORS=true")
    own = options(f"{URL}?DISABLE_SERVER_SIDE_CURSORS=true&options=-c%20jit%3Don")
    assert own["options"] == "-c jit=on"


def test_statements_are_prepared_unless_sessions_change_hands() -> None:
    assert options(URL)["prepare_threshold"] > 0
    assert "prepare_threshold" not in options(f"{URL}?DISABLE_SERVER_SIDE_CURSORS=true")


def test_a_replica_is_read_with_the_same_session_and_never_written() -> None:
    found = replica(environ.Env.db_url_config(URL))["OPTIONS"]["options"]
    assert "-c jit=off" in found
    assert found.endswith("-c default_transaction_read_only=on")
