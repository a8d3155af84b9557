"""HubSpot's calls: arrays of events whose repetitions are the same."""

import json

from integrations.hubspot.webhooks import WEBHOOK
from tests.integrations.support import incoming

EVENT = {
    "eventId": 1,
    "portalId": 62515,
    "occurredAt": 1_767_225_600_123,
    "subscriptionType": "contact.propertyChange",
    "attemptNumber": 0,
    "objectId": 512,
}


def parse(*events: dict) -> list:
    return WEBHOOK.parse(incoming(json.dumps(events).encode()))


def test_a_repetition_has_the_same_id_whatever_its_attempt():
    first, second = parse(EVENT, {**EVENT, "attemptNumber": 3})
    assert first.id == second.id


def test_events_that_share_an_event_id_are_told_apart():
    ids = {
        notice.id
        for notice in parse(
            EVENT,
            {**EVENT, "objectId": 513},
            {**EVENT, "occurredAt": EVENT["occurredAt"] + 1},
            {**EVENT, "subscriptionType": "contact.creation"},
            {**EVENT, "portalId": 1},
        )
    }
    assert len(ids) == 5


def test_the_type_names_the_object_in_either_spelling():
    told = [
        notice.type
        for notice in parse(
            EVENT,
            {**EVENT, "subscriptionType": "object.propertyChange", "objectTypeId": "0-3"},
            {**EVENT, "subscriptionType": "object.creation", "objectTypeId": "2-9001"},
        )
    ]
    assert told == [
        "hubspot.contact.property_change",
        "hubspot.deal.property_change",
        "hubspot.object.creation",
    ]


def test_the_time_is_read_in_milliseconds():
    (notice,) = parse(EVENT)
    assert notice.time.isoformat() == "2026-01-01T00:00:00.123000+00:00"
    assert notice.subject == "512"
