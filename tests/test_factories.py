"""The factories make rows that belong together."""

import pytest

from hub.accounts.models import APIKey
from tests import factories as f

pytestmark = pytest.mark.django_db


def test_every_factory_makes_a_row():
    for made in [
        value for value in vars(f).values() if isinstance(value, type) and value.__module__ == f.__name__
    ]:
        assert made().pk


def test_rows_share_the_organization():
    route = f.RouteFactory()
    fallback = f.RouteFallbackFactory(route=route)
    item = f.QueueItemFactory(integration=route.integration)
    assert {route.integration.organization, fallback.integration.organization, item.organization} == {
        route.organization
    }


def test_secrets_go_where_they_belong():
    integration = f.IntegrationFactory(credential__secrets={"api_key": "k"})
    integration.refresh_from_db()
    assert integration.credential.secrets == {"api_key": "k"}
    endpoint = f.WebhookEndpointFactory(token="tok", secrets={"signing_secret": "s"})
    endpoint.refresh_from_db()
    assert endpoint.path == "/webhooks/tok/"
    assert endpoint.secret_sets() == [{"signing_secret": "s"}]


def test_an_api_key_is_found_by_its_text():
    key = APIKey.find(f.api_key())
    assert key is not None
    assert key.allows("events:write")
