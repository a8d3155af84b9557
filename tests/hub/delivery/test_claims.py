"""What one worker knows of the integrations that have something due."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.factories import EventFactory, IntegrationFactory, QueueItemFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def paused():
    integration = IntegrationFactory(provider_slug="alpha")
    event = EventFactory(organization=integration.organization, data={"text": "hello"})
    QueueItemFactory(integration=integration, event=event, action="note")
    integration.pause("for a while")
    return integration


def whole_loads(dispatcher):
    """Look once at the queue; return how often integrations were read with all they have."""
    dispatcher.claims.look_now()
    with CaptureQueriesContext(connection) as asked:
        dispatcher.step()
    return sum('"connections_integration"."settings"' in each["sql"] for each in asked)


def test_what_comes_in_for_a_paused_integration_does_not_load_it_each_time(dispatcher, door, paused):
    assert [whole_loads(dispatcher) for _ in range(3)] == [1, 0, 0]


def test_a_paused_integration_that_was_changed_is_loaded_anew(dispatcher, door, paused):
    whole_loads(dispatcher)
    paused.batch_size = 7
    paused.save()

    assert whole_loads(dispatcher) == 1
    assert whole_loads(dispatcher) == 0
    paused.resume()
    door.answer("POST", "/notes", json={"id": 7})
    dispatcher.run_until_idle()
    assert [lane.integration.batch_size for lane in dispatcher.claims.lanes.values()] == [7]


def test_a_paused_integration_that_is_deleted_is_forgotten(dispatcher, door, paused):
    whole_loads(dispatcher)
    paused.organization.delete()

    assert whole_loads(dispatcher) == 0
    assert not dispatcher.claims.lanes
