"""Connecting by signing in: the state is good once, for ten minutes, for who began."""

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.utils import timezone

from hub.connections import oauth
from hub.connections.models import Credential, Integration, SignIn, Status
from hub.delivery.models import IntegrationLog, LogKind
from tests.conftest import Door
from tests.factories import IntegrationFactory, UserFactory

pytestmark = pytest.mark.django_db
BACK = "https://hub.example/admin/connected/"
TOKEN_URL = "https://eu.acme.example/token"


@pytest.fixture
def row() -> Integration:
    return IntegrationFactory(
        provider_slug="acme",
        auth_key="oauth2",
        settings={"client_id": "c1"},
        credential__secrets={"client_secret": "planted-secret"},
    )


def state_of(url: str) -> str:
    return parse_qs(urlsplit(url).query)["state"][0]


def test_a_finished_sign_in_connects_the_integration(door: Door, row: Integration) -> None:
    row.hold_for_reconnect("The sign-in expired.")
    user = UserFactory()
    url = oauth.begin(row, user, BACK)
    door.answer(
        "POST",
        TOKEN_URL,
        json={"access_token": "a1", "refresh_token": "r1", "expires_in": 3600, "team": {"name": "Acme Ltd"}},
    )
    done = oauth.complete(user, BACK, {"state": state_of(url), "code": "code1"})
    form = {name: values[0] for name, values in door.last.form.items()}
    verifier = form.pop("code_verifier")
    assert len(verifier) >= 43
    assert form == {
        "grant_type": "authorization_code",
        "code": "code1",
        "redirect_uri": BACK,
        "client_id": "c1",
        "client_secret": "planted-secret",
    }
    assert Credential.objects.get(integration=row).tokens["refresh_token"] == "r1"
    assert (done.status, done.account_label) == (Status.ACTIVE, "Acme Ltd")
    assert Integration.objects.get(pk=row.pk).status == Status.ACTIVE


def test_neither_state_nor_verifier_can_be_read_from_the_database(row: Integration) -> None:
    state = state_of(oauth.begin(row, UserFactory(), BACK))
    kept = str(list(SignIn.objects.values()))
    assert state not in kept
    assert SignIn.objects.get().verifier not in kept


def test_a_state_is_good_once(door: Door, row: Integration) -> None:
    user = UserFactory()
    state = state_of(oauth.begin(row, user, BACK))
    door.answer("POST", TOKEN_URL, json={"access_token": "a1"})
    oauth.complete(user, BACK, {"state": state, "code": "code1"})
    with pytest.raises(oauth.OAuthError, match="finished already"):
        oauth.complete(user, BACK, {"state": state, "code": "code1"})
    assert len(door.requests) == 1


def test_a_state_is_good_for_ten_minutes(door: Door, row: Integration) -> None:
    user = UserFactory()
    state = state_of(oauth.begin(row, user, BACK))
    SignIn.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(oauth.OAuthError, match="ten minutes"):
        oauth.complete(user, BACK, {"state": state, "code": "code1"})


def test_a_state_is_good_for_the_one_who_began_only(door: Door, row: Integration) -> None:
    user = UserFactory()
    state = state_of(oauth.begin(row, user, BACK))
    with pytest.raises(oauth.OAuthError, match="Somebody else"):
        oauth.complete(UserFactory(), BACK, {"state": state, "code": "code1"})
    door.answer("POST", TOKEN_URL, json={"access_token": "a1"})
    oauth.complete(user, BACK, {"state": state, "code": "code1"})


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"error": "access_denied"}, "refused or cancelled"),
        ({"error": "invalid_scope", "error_description": "no such scope"}, r"invalid_scope no such scope\."),
        ({}, "does not fit"),
        ({"code": ""}, "does not fit"),
    ],
)
def test_a_sign_in_that_failed_says_why_and_changes_nothing(
    door: Door, row: Integration, params: dict[str, str], sentence: str
) -> None:
    user = UserFactory()
    state = state_of(oauth.begin(row, user, BACK))
    with pytest.raises(oauth.OAuthError, match=sentence) as failed:
        oauth.complete(user, BACK, {"state": state, **params})
    assert failed.value.integration_id == row.pk
    assert Credential.objects.get(integration=row).tokens == {}


def test_an_answer_at_another_address_is_refused(door: Door, row: Integration) -> None:
    user = UserFactory()
    state = state_of(oauth.begin(row, user, BACK))
    with pytest.raises(oauth.OAuthError):
        oauth.complete(user, "https://elsewhere.example/", {"state": state, "code": "c"})


@pytest.mark.parametrize("params", [{}, {"state": ""}, {"state": "made-up", "code": "x"}])
def test_a_state_that_nobody_gave_out_is_refused(params: dict[str, Any]) -> None:
    with pytest.raises(oauth.OAuthError, match="not known"):
        oauth.complete(UserFactory(), BACK, params)


def test_a_code_that_the_provider_refuses_is_a_sentence_with_a_hint(door: Door, row: Integration) -> None:
    user = UserFactory()
    state = state_of(oauth.begin(row, user, BACK))
    door.answer("POST", TOKEN_URL, 400, json={"error": "invalid_grant"})
    with pytest.raises(oauth.OAuthError, match=r"invalid_grant.*connect again"):
        oauth.complete(user, BACK, {"state": state, "code": "old"})
    kept = IntegrationLog.objects.get(integration=row)
    assert (kept.kind, kept.outcome) == (LogKind.TOKEN, "auth")
    assert "invalid_grant" in kept.message
    assert "connect again" in kept.hint


def test_at_the_sandbox_the_whole_sign_in_stays_there(door: Door, row: Integration) -> None:
    row.sandbox = True
    row.save()
    user = UserFactory()
    url = oauth.begin(row, user, BACK)
    assert url.startswith("http://127.0.0.1:8009/acme/authorize?")
    door.answer("POST", "http://127.0.0.1:8009/acme/token", json={"access_token": "a1"})
    oauth.complete(user, BACK, {"state": state_of(url), "code": "c"})


def test_an_integration_with_a_key_does_not_sign_in() -> None:
    with pytest.raises(oauth.OAuthError, match="enter its credential"):
        oauth.begin(IntegrationFactory(provider_slug="acme", auth_key="token"), UserFactory(), BACK)
