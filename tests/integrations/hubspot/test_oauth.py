"""HubSpot's sign-in: PKCE, the scopes it needs, and tokens by the endpoint of the version that is set."""

from urllib.parse import parse_qs, urlsplit

import pytest

from integrations.base.oauth import Client, authorization_url, exchange_code, new_verifier, refresh
from integrations.hubspot.provider import PROVIDER
from tests.conftest import Door
from tests.integrations.support import context

GRANT = PROVIDER.scheme("oauth2").token
BACK = "https://hub.example.com/oauth/callback/"


def connected(**overrides):
    ctx = context(PROVIDER, "oauth2", **overrides)
    return ctx, Client(ctx.settings, ctx.secrets)


def test_the_admin_is_sent_to_hubspot_with_a_challenge():
    _, client = connected()
    url = authorization_url(GRANT, client, redirect_uri=BACK, state="s", verifier=new_verifier())
    asked = {name: value[0] for name, value in parse_qs(urlsplit(url).query).items()}
    assert url.startswith("https://app.hubspot.com/oauth/authorize?")
    assert asked["code_challenge_method"] == "S256"
    assert asked["state"] == "s"
    assert asked["redirect_uri"] == BACK
    assert {"oauth", "crm.objects.contacts.read", "crm.objects.deals.write"} <= set(asked["scope"].split())


@pytest.mark.parametrize("version", ["v3", "2026-03", "2026-09"])
def test_a_code_becomes_tokens(door: Door, version: str):
    answer = {"access_token": "a", "refresh_token": "r", "expires_in": 1800, "hub_id": 14400000}
    door.answer("POST", f"https://api.hubapi.com/oauth/{version}/token", json=answer)
    ctx, client = connected(api_version=version)
    tokens = exchange_code(GRANT, client, ctx.http, code="c", redirect_uri=BACK, verifier="v" * 43)
    assert (tokens.access_token, tokens.refresh_token, tokens.account) == ("a", "r", "14400000")
    assert door.last.form == {
        "grant_type": ["authorization_code"],
        "code": ["c"],
        "redirect_uri": [BACK],
        "code_verifier": ["v" * 43],
        "client_id": [client.id],
        "client_secret": [ctx.secrets["client_secret"]],
    }


def test_a_refresh_keeps_the_token_that_is_given_back(door: Door):
    answer = {"access_token": "b", "refresh_token": "r2", "expires_in": 1800}
    door.answer("POST", "https://api.hubapi.com/oauth/v3/token", json=answer)
    ctx, client = connected()
    assert refresh(GRANT, client, ctx.http, "r1").refresh_token == "r2"
    assert door.last.form["refresh_token"] == ["r1"]
