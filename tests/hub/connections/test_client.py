"""From an integration's row to the client of its actions."""

import pytest
from django.test import override_settings

from hub.connections.client import build_context, open_connection
from hub.connections.models import Credential, Integration
from hub.lib import outbound
from integrations.base.auth import TokenAuth
from integrations.base.errors import AuthError, PermanentError, TransientError
from tests.conftest import Door
from tests.factories import IntegrationFactory

pytestmark = pytest.mark.django_db


def integration(auth_key: str = "token", **values: object) -> Integration:
    secrets = values.pop("secrets", {"api_key": "ak_planted"})
    tokens = values.pop("tokens", None)
    return IntegrationFactory(
        provider_slug="acme",
        auth_key=auth_key,
        credential__secrets=secrets,
        credential__tokens=tokens,
        **values,
    )


def test_requests_carry_address_headers_and_credential(door: Door) -> None:
    door.answer("POST", "https://us.acme.example/api/things", json={"id": 1})
    ctx = build_context(integration(settings={"region": "us"}), idempotency_key="hub_1")
    answer = ctx.http.post("/things", json={"a": 1})
    assert answer.json() == {"id": 1}
    assert door.last.header("Authorization") == "Bearer ak_planted"
    assert door.last.header("X-Acme-Version") == "7"
    assert ctx.idempotency_key == "hub_1"


def test_defaults_of_the_declaration_fill_settings_that_were_never_saved(door: Door) -> None:
    door.answer("GET", "https://eu.acme.example/api/x")
    ctx = build_context(integration(settings={}), idempotency_key="k")
    ctx.http.get("/x")
    assert ctx.settings["region"] == "eu"


def test_basic_authentication_is_masked_in_the_exchange(door: Door) -> None:
    door.answer("GET", "/api/x", body="echo Og== plantedpassword")
    row = integration("basic", settings={"username": "me"}, secrets={"password": "plantedpassword"})
    ctx = build_context(row, idempotency_key="k")
    ctx.http.get("/x")
    kept = str(ctx.http.exchanges)
    assert "planted" not in kept
    assert door.last.header("Authorization").removeprefix("Basic ") not in kept


def test_the_sandbox_stands_in_for_every_host(door: Door) -> None:
    with override_settings(HUB=_hub(sandbox_url="http://127.0.0.1:8009")):
        ctx = build_context(integration(sandbox=True), idempotency_key="k")
    for url in ("/acme/api/x", "/acme/y", "/acme/z"):
        door.answer("GET", f"http://127.0.0.1:8009{url}")
    ctx.http.get("/x")
    ctx.http.get("/y", host="files")
    ctx.http.get("https://elsewhere.example/z?q=1")
    assert door.last.url == "http://127.0.0.1:8009/acme/z?q=1"
    assert door.last.policy.allows("127.0.0.1", 8009)
    assert ctx.sandbox


def test_a_test_may_point_a_provider_anywhere(door: Door) -> None:
    door.answer("GET", "http://127.0.0.1:9100/acme/api/x")
    build_context(integration(), idempotency_key="k", sandbox_url="http://127.0.0.1:9100/acme").http.get("/x")
    assert door.last.policy.allows("127.0.0.1", 9100)


def test_the_policy_comes_from_the_row(door: Door) -> None:
    row = integration(allowed_hosts=["Inside.example:8443 "], timeout=3)
    policy = open_connection(row).policy
    assert policy.allowed_hosts == {"inside.example:8443"}
    assert (policy.read_timeout, policy.connect_timeout, policy.total_timeout) == (3, 3, 8)
    assert open_connection(integration()).policy.read_timeout == 12


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (outbound.TimedOut("late"), TransientError),
        (outbound.AddressRefused("private", hint="allow it"), PermanentError),
    ],
)
def test_what_the_door_refuses_becomes_an_error_of_the_engine(
    door: Door, error: outbound.OutboundError, kind: type
) -> None:
    door.fail("GET", "/api/x", error)
    ctx = build_context(integration(), idempotency_key="k")
    with pytest.raises(kind) as failed:
        ctx.http.get("/x")
    assert failed.value.hint == error.hint
    assert ctx.http.exchanges[0].error == str(error)


def test_contexts_of_one_connection_share_the_credential_but_no_exchanges(
    door: Door, django_assert_num_queries: object
) -> None:
    door.answer("GET", "/api/x")
    connection = open_connection(integration())
    with django_assert_num_queries(0):
        first, second = connection.context("a"), connection.context("b")
        first.http.get("/x")
    assert (len(first.http.exchanges), len(second.http.exchanges)) == (1, 0)


def test_a_refused_token_is_renewed_once_and_the_request_repeated(door: Door) -> None:
    row = integration(
        "machine",
        settings={"client_id": "c"},
        secrets={"client_secret": "plantedsecret"},
        tokens={"access_token": "stale-token", "expires_at": None},
    )
    door.answer("GET", lambda sent: sent.header("Authorization") == "Bearer stale-token", 401)
    door.answer(
        "POST", "https://eu.acme.example/token", json={"access_token": "fresh-token", "expires_in": 3600}
    )
    door.answer("GET", lambda sent: sent.header("Authorization") == "Bearer fresh-token", json={"ok": True})
    ctx = build_context(row, idempotency_key="k")
    assert ctx.http.get("/x").json() == {"ok": True}
    assert [sent.method for sent in door.requests] == ["GET", "POST", "GET"]
    assert "fresh-token" not in str(ctx.http.exchanges)
    assert "plantedsecret" not in str(ctx.http.exchanges)
    assert Credential.objects.get(integration=row).tokens["access_token"] == "fresh-token"


def test_a_renewal_that_gives_the_refused_token_again_is_an_auth_error(door: Door) -> None:
    row = integration("machine", settings={"client_id": "c"}, secrets={"client_secret": "s" * 8})
    door.answer("POST", "/token", json={"access_token": "fresh-token", "expires_in": 3600}, times=2)
    door.answer("GET", "/api/x", 401)
    with pytest.raises(AuthError):
        build_context(row, idempotency_key="k").http.get("/x")
    assert [sent.method for sent in door.requests] == ["POST", "GET", "POST"]


def test_a_provider_whose_code_is_gone_is_named() -> None:
    with pytest.raises(KeyError, match="no provider 'gone'"):
        open_connection(IntegrationFactory(provider_slug="gone"))


def test_the_schemes_of_the_tests_provider_are_what_the_tests_mean(acme: object) -> None:
    assert isinstance(acme.scheme("machine"), TokenAuth)


def _hub(**changes: object) -> object:
    from dataclasses import replace

    from django.conf import settings

    return replace(settings.HUB, **changes)
