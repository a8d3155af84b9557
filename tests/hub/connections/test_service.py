"""Saving an integration: checked by the declaration, secrets kept apart, all or nothing."""

from typing import Any

import pytest

from hub.accounts.models import Organization
from hub.connections.models import Credential, Integration, Status
from hub.connections.service import save_integration
from integrations.base.fields import FieldErrors
from tests.factories import OrganizationFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def organization() -> Organization:
    return OrganizationFactory()


def save(organization: Organization, integration: Integration | None = None, **changes: Any) -> Integration:
    given: dict[str, Any] = {
        "name": "Our Acme",
        "slug": "our-acme",
        "auth_key": "token",
        "values": {"api_key": "ak_planted", "region": "us"},
    }
    slug = changes.pop("provider_slug", "acme")
    return save_integration(organization, slug, integration=integration, **{**given, **changes})


def secrets_of(row: Integration) -> dict[str, str]:
    return Credential.objects.get(integration=row).secrets


def test_settings_and_secrets_go_to_their_places(organization: Organization) -> None:
    row = save(organization, options={"allowed_hosts": ["inside:1"], "rate_count": 5})
    row.refresh_from_db()
    assert row.settings == {"region": "us"}
    assert secrets_of(row) == {"api_key": "ak_planted"}
    assert (row.allowed_hosts, row.rate_count, row.provider_slug) == (["inside:1"], 5, "acme")


def test_a_blank_secret_keeps_what_is_there(organization: Organization) -> None:
    row = save(organization)
    save(organization, row, values={"api_key": "", "region": "de"})
    assert secrets_of(row) == {"api_key": "ak_planted"}
    save(organization, row, values={"region": "fr"})
    assert secrets_of(row) == {"api_key": "ak_planted"}
    assert Integration.objects.get(pk=row.pk).settings == {"region": "fr"}


def test_every_wrong_field_is_named_and_nothing_is_saved(organization: Organization) -> None:
    with pytest.raises(FieldErrors) as refused:
        save(organization, values={"api_key": "planted", "region": "EUROPE", "colour": "red"})
    assert set(refused.value.errors) == {"api_key", "region", "colour"}
    assert "planted" not in str(refused.value)
    assert not Integration.objects.exists()


def test_a_first_save_needs_its_secrets(organization: Organization) -> None:
    with pytest.raises(FieldErrors) as refused:
        save(organization, values={})
    assert refused.value.errors == {"api_key": "API key is needed."}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"slug": "not a slug"}, "slug"),
        ({"slug": ""}, "slug"),
        ({"name": "  "}, "name"),
        ({"auth_key": "magic"}, "auth_key"),
        ({"provider_slug": "gone"}, "provider"),
        ({"options": {"status": "active"}}, "status"),
    ],
)
def test_what_is_not_of_the_declaration_is_refused(
    organization: Organization, changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(FieldErrors) as refused:
        save(organization, **changes)
    assert set(refused.value.errors) == {field}
    assert not Integration.objects.exists()


def test_short_names_are_the_organizations_own(organization: Organization) -> None:
    row = save(organization)
    with pytest.raises(FieldErrors, match="already"):
        save(organization)
    save(organization, row, name="Renamed")
    save(OrganizationFactory())


def test_an_integration_keeps_its_provider(organization: Organization) -> None:
    row = save(organization)
    with pytest.raises(FieldErrors, match="keeps its provider"):
        save(organization, row, provider_slug="other")


OAUTH = {"client_id": "c1", "client_secret": "s1"}


@pytest.mark.parametrize(
    ("auth_key", "values", "kept"),
    [
        ("oauth2", {"client_id": "c1"}, True),
        ("oauth2", {"client_id": "c1", "region": "us"}, True),
        ("oauth2", {"client_id": "c2"}, False),
        ("oauth2", {"client_id": "c1", "client_secret": "s2"}, False),
        ("token", {"api_key": "ak_1"}, False),
    ],
)
def test_tokens_of_another_sign_in_are_dropped(
    organization: Organization, auth_key: str, values: dict[str, str], kept: bool
) -> None:
    row = save(organization, auth_key="oauth2", values=OAUTH)
    credential = Credential.objects.get(integration=row)
    credential.tokens = {"access_token": "a", "refresh_token": "r"}
    credential.save()
    save(organization, row, auth_key=auth_key, values=values)
    assert bool(Credential.objects.get(integration=row).tokens) is kept


def test_a_token_got_by_a_changed_secret_is_asked_for_anew(organization: Organization) -> None:
    row = save(organization, auth_key="machine", values=OAUTH)
    credential = Credential.objects.get(integration=row)
    credential.tokens = {"access_token": "a"}
    credential.save()
    save(organization, row, auth_key="machine", values={"client_id": "c1"})
    assert Credential.objects.get(integration=row).tokens
    save(organization, row, auth_key="machine", values={"client_id": "c1", "region": "us"})
    assert not Credential.objects.get(integration=row).tokens


def test_a_new_credential_lets_a_held_queue_move_again(organization: Organization) -> None:
    row = save(organization)
    row.hold_for_reconnect("401")
    save(organization, row, values={})
    assert Integration.objects.get(pk=row.pk).status == Status.RECONNECT
    save(organization, row, values={"api_key": "ak_new"})
    assert Integration.objects.get(pk=row.pk).status == Status.ACTIVE
