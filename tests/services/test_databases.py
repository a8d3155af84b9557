"""What a session with PostgreSQL begins with, asked of PostgreSQL."""

from contextlib import closing
from typing import Any

import pytest
from django.db import connection, connections

from hub.lib.databases import tuned

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
