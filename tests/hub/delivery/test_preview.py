"""The preview shows the exact requests, masked, and sends nothing."""

import json
from dataclasses import asdict

import pytest
from django.db import connection

from hub.connections.models import Credential
from hub.delivery.preview import preview, read_pasted
from hub.delivery.sources import Envelope
from hub.events.envelopes import envelope_of
from hub.lib.ids import uuid7
from integrations.base.fixtures import call_fixture
from integrations.base.registry import providers
from integrations.base.samples import sample_values
from tests.factories import EventFactory, IntegrationFactory

pytestmark = pytest.mark.django_db
ACTIONS = [(provider.slug, action.name) for provider in providers().values() for action in provider.actions]
RULES = [
    {"source": "data.id", "target": "data.order", "transforms": []},
    {"source": "type", "target": "type"},
]


@pytest.fixture(autouse=True)
def testbeds():
    """The real providers, unlike the other tests of this folder."""


@pytest.fixture
def endpoint(door):
    return IntegrationFactory(
        settings={"url": "https://hooks.example.com/in"},
        credential__secrets={"signing_secret": "whsec_ZXhhbXBsZS1zZWNyZXQtb2YtYW4tZW5kcG9pbnQ="},
    )


@pytest.mark.parametrize(("slug", "name"), ACTIONS)
def test_every_action_of_every_provider_can_be_previewed(door, slug, name):
    provider = providers()[slug]
    fixture = call_fixture(provider, "actions", name)
    settings, secrets = sample_values(provider.fields_for(fixture.auth))
    settings, secrets = {**settings, **fixture.settings}, {**secrets, **fixture.secrets}
    integration = IntegrationFactory(
        provider_slug=slug, auth_key=fixture.auth, settings=settings, credential__secrets=secrets
    )
    envelope = Envelope(uuid7(), "demo", "", "", EventFactory().time, fixture.input)
    seen = preview(integration, name, None, envelope)
    assert seen.ok, [str(problem) for problem in seen.problems]
    assert seen.requests
    assert not seen.notes
    shown = json.dumps([asdict(request) for request in seen.requests])
    assert not [
        value for value in secrets.values() if len(str(value)) > 8 and json.dumps(value)[1:-1] in shown
    ]
    assert door.requests == []
    assert Credential.objects.get(integration=integration).tokens == {}


def test_the_request_is_the_one_a_delivery_makes(endpoint):
    event = EventFactory(organization=endpoint.organization, data={"id": "A-1"})
    seen = preview(endpoint, "http.send", RULES, envelope_of(event))
    assert seen.ok, seen.problems
    (request,) = seen.requests
    assert (request.method, request.url) == ("POST", "https://hooks.example.com/in")
    assert '"order":"A-1"' in request.request_body
    assert seen.input["data"] == {"order": "A-1"}


def test_problems_of_the_mapping_are_told_and_nothing_is_built(endpoint):
    rules = [{"source": "data.id", "target": "type", "transforms": [{"name": "number"}]}]
    seen = preview(endpoint, "http.send", rules, read_pasted({"id": "x"}))
    assert not seen.ok
    assert (seen.problems[0].rule, seen.problems[0].field) == (1, "type")
    assert seen.requests == []
    assert seen.hint


def test_an_action_that_is_not_there_is_told(endpoint):
    seen = preview(endpoint, "http.fly", None, read_pasted({}))
    assert "http.fly" in seen.problems[0].message


def test_a_credential_that_does_not_open_is_told(endpoint):
    IntegrationFactory(credential__secrets={"signing_secret": "whsec_b3RoZXI="})
    table = Credential._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT secrets FROM {table} ORDER BY created_at DESC LIMIT 1")
        cursor.execute(f"UPDATE {table} SET secrets = %s", cursor.fetchone())
    seen = preview(endpoint, "http.send", RULES, read_pasted({"id": 1}))
    assert "cannot be used as it is" in seen.problems[0].message
    assert seen.input["data"] == {"order": 1}


def test_a_fault_in_a_provider_is_told_not_raised(door):
    seen = preview(IntegrationFactory(settings={}), "http.send", RULES, read_pasted({"id": 1}))
    assert "own code failed" in seen.problems[0].message


def test_pasted_json_is_an_event_or_its_data():
    event = read_pasted({"type": "a.b", "data": {"x": 1}, "subject": "s", "time": "2026-01-31T12:00:00Z"})
    assert (event.type, event.subject, event.data, event.time.year) == ("a.b", "s", {"x": 1}, 2026)
    assert read_pasted({"x": 1}).data == {"x": 1}
    assert read_pasted([1]).data == [1]
    with pytest.raises(ValueError, match="time"):
        read_pasted({"type": "a", "data": {}, "time": "soon"})
