"""Intake on the databases of a scaled-out hub: who was first is decided by the database."""

import pytest
from django.db import connection

from tests.hub.events.test_intake import (
    organization,
    test_an_integration_deleted_while_an_event_comes_in_loses_no_event,
    test_the_same_key_is_accepted_once,
    test_the_same_key_twice_in_one_batch_is_accepted_once,
    test_the_same_keys_at_the_same_time_are_accepted_once,
)

pytestmark = [pytest.mark.services, pytest.mark.django_db]

__all__ = [
    "organization",
    "test_an_integration_deleted_while_an_event_comes_in_loses_no_event",
    "test_the_same_key_is_accepted_once",
    "test_the_same_key_twice_in_one_batch_is_accepted_once",
    "test_the_same_keys_at_the_same_time_are_accepted_once",
]


def test_this_is_postgresql():
    assert connection.vendor == "postgresql"
