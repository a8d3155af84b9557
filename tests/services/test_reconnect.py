"""A connection that the server ended while it was idle is replaced by whoever needs it next."""

from typing import Any

import psycopg
import pytest
from django.db import OperationalError, connection, transaction

from hub.events.drafts import Draft
from hub.events.intake import accept_event
from hub.events.models import Event
from hub.lib.reconnect import surely
from tests.factories import OrganizationFactory

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]


def end_from_outside() -> None:
    """Have PostgreSQL end this thread's session, as a restart or an administrator does."""
    connection.ensure_connection()
    own: Any = connection.connection
    with psycopg.connect(own.info.dsn, password=own.info.password or None, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [own.info.backend_pid])


def test_an_event_is_accepted_though_its_connection_was_ended_meanwhile() -> None:
    organization = OrganizationFactory()
    accept_event(organization, Draft("order.paid", {"n": 1}))
    end_from_outside()
    accept_event(organization, Draft("order.paid", {"n": 2}))
    assert sorted(data["n"] for data in Event.objects.values_list("data", flat=True)) == [1, 2]


def test_nothing_is_asked_again_within_a_transaction() -> None:
    asked = []

    def ask() -> None:
        asked.append(True)
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")

    def within_a_transaction() -> None:
        with transaction.atomic():
            end_from_outside()
            surely(ask)

    with pytest.raises(OperationalError):
        within_a_transaction()
    assert asked == [True]


def test_what_fails_on_a_connection_that_lives_is_told_at_once() -> None:
    asked = []

    def ask() -> None:
        asked.append(True)
        with connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = 20")
            try:
                cursor.execute("SELECT pg_sleep(5)")
            finally:
                cursor.execute("SET statement_timeout = 0")

    with pytest.raises(OperationalError):
        surely(ask)
    assert asked == [True]
