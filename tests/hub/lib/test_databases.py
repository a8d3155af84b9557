"""No process waits for minutes for a database that is gone; what the operator says wins."""

import environ

from hub.lib.databases import tuned


def options(url: str) -> dict[str, object]:
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
