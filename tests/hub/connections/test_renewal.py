"""Access tokens: valid ones are used, one worker renews, nothing that a provider rotated is lost."""

import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection as db
from django.utils import timezone

from hub.connections import renewal
from hub.connections.client import open_connection
from hub.connections.models import Credential, Integration
from hub.connections.signals import token_renewed
from hub.connections.tokens import access_token
from hub.lib import outbound
from integrations.base.errors import AuthError, RateLimited, TransientError
from tests.conftest import Door, Sent
from tests.factories import IntegrationFactory

pytestmark = pytest.mark.django_db
TOKEN_URL = "https://eu.acme.example/token"


def signed_in(expires_in: float = -1, **tokens: Any) -> Integration:
    kept = {
        "access_token": "old-access",
        "refresh_token": "old-refresh",
        "expires_at": time.time() + expires_in,
    }
    return IntegrationFactory(
        provider_slug="acme",
        auth_key="oauth2",
        settings={"client_id": "c1"},
        credential__secrets={"client_secret": "planted-secret"},
        credential__tokens={**kept, **tokens},
    )


def tokens_of(row: Integration) -> dict[str, Any]:
    return Credential.objects.get(integration=row).tokens


def test_a_valid_token_is_used_without_asking(door: Door) -> None:
    assert access_token(signed_in(3600)) == "old-access"
    assert not door.requests


def test_a_token_about_to_expire_is_renewed_and_the_rotated_one_kept(door: Door) -> None:
    row = signed_in(30)
    door.answer("POST", TOKEN_URL, json={"access_token": "a2", "refresh_token": "r2", "expires_in": 3600})
    assert access_token(row) == "a2"
    assert door.last.form == {
        "grant_type": ["refresh_token"],
        "refresh_token": ["old-refresh"],
        "client_id": ["c1"],
        "client_secret": ["planted-secret"],
    }
    kept = tokens_of(row)
    assert (kept["access_token"], kept["refresh_token"]) == ("a2", "r2")
    assert kept["expires_at"] == pytest.approx(time.time() + 3600, abs=60)
    assert Credential.objects.get(integration=row).lease_until is None


def test_a_refresh_token_that_is_not_rotated_stays(door: Door) -> None:
    row = signed_in()
    door.answer("POST", TOKEN_URL, json={"access_token": "a2"})
    access_token(row)
    assert tokens_of(row)["refresh_token"] == "old-refresh"


def test_the_rotated_refresh_token_is_saved_before_the_access_token_is_used(door: Door) -> None:
    row = signed_in()
    saved: list[str] = []
    door.answer("POST", TOKEN_URL, json={"access_token": "a2", "refresh_token": "r2"})

    def use(sent: Sent) -> dict[str, Any]:
        saved.append(tokens_of(row)["refresh_token"])
        return {}

    door.answer("GET", "/api/x", json=use)
    open_connection(row).context("k").http.get("/x")
    assert saved == ["r2"]


def test_a_renewal_reads_the_row_again_once_it_has_the_lease(door: Door) -> None:
    row = signed_in()
    connection = open_connection(row)
    other = Credential.objects.get(integration=row)
    other.tokens = {"access_token": "by-another", "refresh_token": "r9", "expires_at": time.time() + 3600}
    other.save()
    assert connection.tokens.current(connection.bare_http()) == "by-another"
    assert not door.requests


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, {"error": "invalid_grant", "error_description": "revoked"}, AuthError),
        (401, {"error": "invalid_client"}, AuthError),
        (403, {"error": "access_denied"}, AuthError),
        (404, None, AuthError),
        (200, {"ok": False, "error": "invalid_refresh_token"}, AuthError),
        (200, {"nothing": 1}, AuthError),
        (200, None, AuthError),
        (302, None, AuthError),
        (400, {"error": "temporarily_unavailable"}, TransientError),
        (500, {"error": "server_error"}, TransientError),
        (503, None, TransientError),
        (429, None, RateLimited),
        (429, {"error": "slow_down"}, RateLimited),
    ],
)
def test_each_refusal_is_the_right_error_and_keeps_what_there_was(
    door: Door, status: int, body: Any, error: type
) -> None:
    row = signed_in()
    before = tokens_of(row)
    door.answer(
        "POST", TOKEN_URL, status, json=body, headers={"Retry-After": "7", "Location": "https://evil.example"}
    )
    with pytest.raises(error) as refused:
        access_token(row)
    assert type(refused.value) is error
    assert refused.value.message.startswith("The token endpoint answered") or body == {"nothing": 1}
    if error is RateLimited:
        assert refused.value.retry_after == 7
    if error is AuthError:
        assert refused.value.hint
    assert tokens_of(row) == before
    assert Credential.objects.get(integration=row).lease_until is None
    assert len(door.requests) == 1


def test_a_provider_that_is_down_is_transient(door: Door) -> None:
    door.fail("POST", TOKEN_URL, outbound.TimedOut("eu.acme.example did not answer within 12 seconds."))
    with pytest.raises(TransientError, match="did not answer"):
        access_token(signed_in())


def test_without_a_refresh_token_somebody_must_sign_in(door: Door) -> None:
    with pytest.raises(AuthError, match="signed in") as refused:
        access_token(signed_in(refresh_token=""))
    assert "Connect" in refused.value.hint


def test_an_integration_without_tokens_of_its_own_says_so(door: Door) -> None:
    with pytest.raises(AuthError, match="does not use access tokens"):
        access_token(IntegrationFactory(provider_slug="acme", auth_key="token"))


def test_another_workers_renewal_is_waited_for_but_not_for_ever(door: Door, monkeypatch: Any) -> None:
    monkeypatch.setattr(renewal, "PATIENCE", 0.1)
    row = signed_in()
    Credential.objects.filter(integration=row).update(
        lease_owner="other", lease_until=timezone.now() + timedelta(seconds=60)
    )
    with pytest.raises(TransientError, match="Another worker"):
        access_token(row)
    assert not door.requests
    assert Credential.objects.get(integration=row).lease_owner == "other"


def test_the_lease_of_a_dead_worker_is_taken_over(door: Door) -> None:
    row = signed_in()
    Credential.objects.filter(integration=row).update(
        lease_owner="dead", lease_until=timezone.now() - timedelta(seconds=1)
    )
    door.answer("POST", TOKEN_URL, json={"access_token": "a2"})
    assert access_token(row) == "a2"


def test_a_sign_in_during_the_renewal_is_not_overwritten(door: Door) -> None:
    row = signed_in()

    def meanwhile(sent: Sent) -> dict[str, Any]:
        other = Credential.objects.get(integration=row)
        other.tokens = {"access_token": "signed-in", "refresh_token": "new", "expires_at": time.time() + 3600}
        other.save()
        return {"access_token": "renewed", "refresh_token": "r2"}

    door.answer("POST", TOKEN_URL, json=meanwhile)
    assert access_token(row) == "signed-in"
    assert tokens_of(row)["refresh_token"] == "new"


def test_a_change_of_the_secrets_alone_loses_no_rotated_token(door: Door) -> None:
    row = signed_in()

    def meanwhile(sent: Sent) -> dict[str, Any]:
        other = Credential.objects.get(integration=row)
        other.secrets = {"client_secret": "changed"}
        other.save()
        return {"access_token": "renewed", "refresh_token": "r2"}

    door.answer("POST", TOKEN_URL, json=meanwhile)
    access_token(row)
    credential = Credential.objects.get(integration=row)
    assert credential.tokens["refresh_token"] == "r2"
    assert credential.secrets == {"client_secret": "changed"}


def test_every_renewal_is_told_once_without_a_secret(door: Door) -> None:
    told: list[dict[str, Any]] = []

    def hear(sender: object, **facts: Any) -> None:
        told.append(facts)

    token_renewed.connect(hear)
    try:
        row = signed_in()
        door.answer("POST", TOKEN_URL, 400, json={"error": "invalid_grant"}, times=1)
        door.answer("POST", TOKEN_URL, json={"access_token": "planted-a", "refresh_token": "planted-r"})
        with pytest.raises(AuthError):
            access_token(row)
        access_token(row)
        access_token(row)
    finally:
        token_renewed.disconnect(hear)
    assert [bool(facts["error"]) for facts in told] == [True, False]
    assert all(facts["integration_id"] == row.pk and len(facts["exchanges"]) == 1 for facts in told)
    assert "planted" not in str(told)
    assert "old-refresh" not in str(told)


@pytest.mark.django_db(transaction=True)
def test_many_workers_at_once_renew_once(door: Door) -> None:
    row = signed_in()
    used: list[str] = []

    def rotate(sent: Sent) -> dict[str, Any]:
        used.append(sent.form["refresh_token"][0])
        time.sleep(0.2)
        return {"access_token": f"a{len(used)}", "refresh_token": f"r{len(used)}", "expires_in": 3600}

    door.answer("POST", TOKEN_URL, json=rotate)
    got: list[str] = []

    def work() -> None:
        try:
            got.append(access_token(Integration.objects.get(pk=row.pk)))
        finally:
            db.close()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert used == ["old-refresh"]
    assert got == ["a1"] * 6


@pytest.mark.django_db(transaction=True)
def test_threads_of_one_connection_renew_a_refused_token_once(door: Door) -> None:
    row = signed_in(3600)
    door.answer("GET", lambda sent: sent.header("Authorization") == "Bearer old-access", 401)
    door.answer("GET", "/api/x")
    door.answer("POST", TOKEN_URL, json={"access_token": "a2", "refresh_token": "r2", "expires_in": 3600})
    connection = open_connection(row)

    def work() -> None:
        try:
            connection.context("k").http.get("/x")
        finally:
            db.close()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([sent for sent in door.requests if sent.method == "POST"]) == 1
