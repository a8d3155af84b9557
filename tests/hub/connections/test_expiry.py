"""When credentials end: known from three sides, warned of once at each step."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from django.utils import timezone

from hub.connections import expiry
from hub.connections.models import Credential, Integration
from hub.connections.renewal import keep
from hub.connections.service import save_integration
from hub.connections.signals import credential_expiring
from integrations.base.oauth import TokenSet
from integrations.base.provider import Provider
from tests.factories import CredentialFactory, IntegrationFactory, OrganizationFactory

pytestmark = pytest.mark.django_db
DAY = 86_400


@pytest.fixture
def told() -> Iterator[list[dict[str, Any]]]:
    heard: list[dict[str, Any]] = []

    def listen(sender: Any, **facts: Any) -> None:
        heard.append(facts)

    credential_expiring.connect(listen)
    yield heard
    credential_expiring.disconnect(listen)


def signed_in(**tokens: Any) -> Credential:
    row = IntegrationFactory(provider_slug="acme", auth_key="oauth2", credential=False)
    credential: Credential = CredentialFactory(integration=row)
    keep(credential, TokenSet("a1", **tokens))
    return Credential.objects.get(pk=credential.pk)


def days(credential: Credential) -> int | None:
    return (
        round((credential.expires_at - timezone.now()).total_seconds() / DAY)
        if credential.expires_at
        else None
    )


def test_a_refresh_token_that_ends_is_known_from_the_sign_in() -> None:
    now = timezone.now().timestamp()
    credential = signed_in(refresh_token="r", expires_at=now + 60, refresh_expires_at=now + 60 * DAY)
    assert (days(credential), credential.expires_by) == (60, "sign-in")
    # A renewal that says nothing of it and brings the same refresh token changes nothing.
    keep(credential, TokenSet("a2", refresh_token="r", expires_at=now + 120))
    assert days(Credential.objects.get()) == 60
    keep(credential, TokenSet("a3", refresh_token="another", expires_at=now + 120))
    assert Credential.objects.get().expires_at is None


def test_without_a_refresh_token_the_access_token_is_the_end() -> None:
    at = timezone.now().timestamp() + 10 * DAY
    assert days(signed_in(expires_at=at)) == 10
    assert signed_in(expires_at=at, refresh_token="r").expires_at is None


@pytest.mark.usefixtures("acme")
def test_a_providers_rule_begins_anew_with_each_secret(acme: Provider, monkeypatch: Any) -> None:
    monkeypatch.setattr(type(acme.auth[0]), "lifetime_days", 90)
    organization = OrganizationFactory()
    given: dict[str, Any] = {"name": "Acme", "slug": "acme", "auth_key": "token"}
    row = save_integration(organization, "acme", values={"api_key": "ak_1"}, **given)
    credential = Credential.objects.get()
    assert (days(credential), credential.expires_by) == (90, "provider")
    Credential.objects.update(declared_expiry=timezone.now() + timedelta(days=3))
    save_integration(organization, "acme", values={"api_key": "ak_1"}, integration=row, **given)
    assert days(Credential.objects.get()) == 3
    save_integration(organization, "acme", values={"api_key": "ak_2"}, integration=row, **given)
    assert days(Credential.objects.get()) == 90


def test_what_an_admin_enters_counts_until_the_secret_changes() -> None:
    row = IntegrationFactory(provider_slug="acme", auth_key="token", credential__secrets={"api_key": "ak_1"})
    day = timezone.localdate() + timedelta(days=20)
    expiry.enter_expiry(row, day)
    found = expiry.expiries([row.organization])
    assert [(timezone.localtime(end.at).date(), end.said_by) for end in found] == [
        (day, "entered by an admin")
    ]
    expiry.enter_expiry(row, None)
    assert expiry.expiries([row.organization]) == []
    expiry.enter_expiry(row, day)
    given: dict[str, Any] = {"name": "Acme", "slug": row.slug, "auth_key": "token"}
    save_integration(row.organization, "acme", values={"api_key": "ak_2"}, integration=row, **given)
    assert expiry.expiries([row.organization]) == []


def ending(left: timedelta) -> Integration:
    row = IntegrationFactory()
    Credential.objects.filter(integration=row).update(expires_at=timezone.now() + left)
    return row


def test_each_step_is_told_once(told: list[dict[str, Any]]) -> None:
    row = ending(timedelta(days=29))
    ending(timedelta(days=40))
    for left, step in ((29, 30), (29, None), (6, 7), (0.5, 1), (0.4, None), (-1, 0), (-2, None)):
        at = timezone.now() + timedelta(days=left)
        Credential.objects.filter(integration=row).update(expires_at=at)
        before = len(told)
        assert expiry.warn_expiring() == (step is not None)
        assert [fact["days"] for fact in told[before:]] == ([step] if step is not None else [])
    assert told[0]["integration"] == row
    assert "within 30 days" in told[0]["message"]
    assert "has ended" in told[-1]["message"]


def test_a_hub_that_was_off_tells_the_nearest_step_only(told: list[dict[str, Any]]) -> None:
    ending(timedelta(hours=5))
    assert expiry.warn_expiring() == 1
    assert [fact["days"] for fact in told] == [1]


def test_a_later_end_begins_the_warnings_anew(told: list[dict[str, Any]]) -> None:
    row = ending(timedelta(days=5))
    expiry.warn_expiring()
    expiry.enter_expiry(row, date.today() + timedelta(days=100))
    assert Credential.objects.get().warned_days is None
    assert expiry.warn_expiring() == 0


def test_words_and_tones() -> None:
    rows = [ending(timedelta(days=left, minutes=1)) for left in (-1, 0, 1, 6, 90)]
    found = {
        end.integration.pk: (end.words, end.tone)
        for row in rows
        for end in expiry.expiries([row.organization])
    }
    assert [found[row.pk] for row in rows] == [
        ("has ended", "bad"),
        ("ends within a day", "bad"),
        ("ends in 1 day", "warn"),
        ("ends in 6 days", "warn"),
        ("ends in 90 days", "mute"),
    ]
