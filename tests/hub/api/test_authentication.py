"""Keys: which are taken, what they may do, and how soon a revoked one is refused."""

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from hub.accounts.models import APIKey, Scope
from hub.api import authentication
from tests.factories import OrganizationFactory, UserFactory, api_key
from tests.hub.api.conftest import API

pytestmark = pytest.mark.django_db
STATUS = "/api/integrations/status"
GOOD = ["--organization", "demo", "--name", "Shop", "--scope", "integrations:read"]


def test_takes_a_key_in_either_header(api: API) -> None:
    assert api.get(STATUS).status_code == 200
    assert Client().get(STATUS, headers={"X-API-Key": api.key}).status_code == 200


@pytest.mark.parametrize(
    "text", ["", "Bearer ", "Bearer ick_x", "Bearer nonsense", "Basic YTpi", "Bearer ick_a_b_c"]
)
def test_refuses_what_is_no_key(text: str) -> None:
    answer = Client().get(STATUS, headers={"Authorization": text})

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_refuses_a_changed_key(api: API) -> None:
    api.key = api.key[:-1] + ("A" if api.key[-1] != "A" else "B")

    assert api.get(STATUS).status_code == 401


def test_a_browsers_session_is_no_key() -> None:
    client = Client()
    client.force_login(UserFactory(is_superuser=True))

    assert client.get(STATUS).status_code == 401


def test_refuses_an_expired_key(api: API) -> None:
    APIKey.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    assert api.get(STATUS).status_code == 401


def test_a_key_revoked_here_is_refused_at_once(api: API) -> None:
    assert api.get(STATUS).status_code == 200
    APIKey.objects.get().revoke()

    assert api.get(STATUS).status_code == 401


def test_a_key_revoked_elsewhere_is_refused_within_five_seconds(
    api: API, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.get(STATUS)
    APIKey.objects.update(revoked_at=timezone.now())  # another process: no signal here
    real = authentication.time.monotonic

    monkeypatch.setattr(authentication.time, "monotonic", lambda: real() + 5)

    assert api.get(STATUS).status_code == 401


def test_a_known_key_costs_no_query(api: API, django_assert_num_queries: Any) -> None:
    api.get(STATUS)

    with django_assert_num_queries(1):
        api.get(STATUS)


def test_last_use_is_written_once_a_minute(api: API) -> None:
    api.get(STATUS)
    first = APIKey.objects.get().last_used_at
    api.get(STATUS)
    assert APIKey.objects.get().last_used_at == first

    APIKey.objects.update(last_used_at=first - timedelta(minutes=2))
    authentication.keys.clear()
    api.get(STATUS)
    assert APIKey.objects.get().last_used_at > first


ENDPOINTS = [
    ("POST", "/api/events", Scope.EVENTS_WRITE),
    ("GET", "/api/events", Scope.EVENTS_READ),
    ("GET", "/api/events/01980f6e-2f9a-7c31-9d6e-0a1b2c3d4e5f", Scope.EVENTS_READ),
    ("GET", STATUS, Scope.INTEGRATIONS_READ),
    ("GET", "/api/integrations/health", Scope.INTEGRATIONS_READ),
    ("GET", "/api/integrations/x/health", Scope.INTEGRATIONS_READ),
    ("POST", "/api/integrations/test/x", Scope.INTEGRATIONS_TEST),
    ("GET", "/api/integrations/logs", Scope.INTEGRATIONS_READ),
    ("GET", "/metrics", Scope.METRICS_READ),
]


@pytest.mark.parametrize(("method", "path", "scope"), ENDPOINTS)
def test_every_address_asks_for_its_scope(method: str, path: str, scope: Scope) -> None:
    organization = OrganizationFactory()
    others = API(organization, [other for other in Scope if other != scope])
    only = API(organization, [scope])

    def status(api: API) -> Any:
        return api.client.generic(method, path, b"{}", content_type="application/json", headers=api.headers)

    refused = status(others)
    assert refused.status_code == 403
    assert scope in refused.json()["detail"]
    assert status(only).status_code not in (401, 403)


def test_createapikey_prints_a_working_key_once(capsys: pytest.CaptureFixture[str]) -> None:
    OrganizationFactory(slug="demo")

    call_command("createapikey", "--organization", "demo", "--name", "Shop", "--scope", "integrations:read")

    text = capsys.readouterr().out.strip()
    assert Client().get(STATUS, headers={"X-API-Key": text}).status_code == 200
    key = APIKey.objects.get()
    assert (key.name, key.scopes) == ("Shop", ["integrations:read"])
    assert text.rpartition("_")[2] not in str(key.__dict__)


def test_createapikey_keeps_a_key_to_a_time_and_to_networks(capsys: pytest.CaptureFixture[str]) -> None:
    OrganizationFactory(slug="demo")
    more = ["--expires", "2099-01-31T12:00:00+01:00", "--network", "203.0.113.7", "--network", "10.0.0.0/8"]

    call_command("createapikey", *GOOD, *more)

    text = capsys.readouterr().out.strip()
    key = APIKey.objects.get()
    assert key.expires_at == datetime(2099, 1, 31, 11, tzinfo=UTC)
    assert key.allowed_networks == ["203.0.113.7/32", "10.0.0.0/8"]
    assert Client(REMOTE_ADDR="10.1.2.3").get(STATUS, headers={"X-API-Key": text}).status_code == 200
    assert Client(REMOTE_ADDR="192.0.2.1").get(STATUS, headers={"X-API-Key": text}).status_code == 403
    call_command("createapikey", *GOOD, "--expires", "2099-01-31")
    begins = timezone.make_aware(datetime(2099, 1, 31))
    assert APIKey.objects.filter(expires_at=begins, allowed_networks=[]).exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([*GOOD, "--expires", "tomorrow"], "no time"),
        ([*GOOD, "--expires", "2026-02-30"], "no time"),
        ([*GOOD, "--expires", "2020-01-31"], "over"),
        ([*GOOD, "--network", "10.0.0.0/99"], "no address or network"),
        (
            ["--organization", "nowhere", "--name", "x", "--scope", "events:write"],
            "no organization 'nowhere'",
        ),
        (["--organization", "demo", "--name", "x", "--scope", "everything"], "no scope 'everything'"),
    ],
)
def test_createapikey_says_what_is_wrong(arguments: list[str], said: str) -> None:
    OrganizationFactory(slug="demo")

    with pytest.raises(CommandError, match=said):
        call_command("createapikey", *arguments)
    assert not APIKey.objects.exists()


def test_the_key_of_a_deleted_organization_is_gone() -> None:
    organization = OrganizationFactory()
    text = api_key(organization)
    organization.delete()

    assert Client().get(STATUS, headers={"X-API-Key": text}).status_code == 401
    assert not get_user_model().objects.exists()


@pytest.mark.parametrize(
    ("networks", "address", "forwarded", "status"),
    [
        (["203.0.113.0/24"], "203.0.113.9", "", 200),
        (["203.0.113.0/24"], "203.0.114.9", "", 403),
        (["2001:db8::/32"], "2001:db8::1", "", 200),
        (["2001:db8::/32"], "2001:db9::1", "", 403),
        (["203.0.113.0/24"], "::ffff:203.0.113.9", "", 200),
        # Nobody believes a stranger's header; a proxy's last hop counts, what stands before it does not.
        (["203.0.113.0/24"], "198.51.100.1", "203.0.113.9", 403),
        (["203.0.113.0/24"], "10.0.0.1", "203.0.113.9", 200),
        (["203.0.113.0/24"], "10.0.0.1", "203.0.113.9, 198.51.100.1", 403),
        ([], "198.51.100.1", "", 200),
    ],
)
def test_a_key_may_be_kept_to_networks(
    networks: list[str], address: str, forwarded: str, status: int, settings: Any
) -> None:
    settings.HUB = dataclasses.replace(settings.HUB, trusted_proxies=("10.0.0.0/8",))
    text = api_key(OrganizationFactory(), allowed_networks=networks)
    headers = {"X-API-Key": text, **({"X-Forwarded-For": forwarded} if forwarded else {})}

    answer = Client(REMOTE_ADDR=address).get(STATUS, headers=headers)

    assert answer.status_code == status
    assert status == 200 or "may not be used from" in answer.json()["detail"]
