"""A hub does not start with keys that do not fit its data."""

from dataclasses import replace
from io import StringIO

import pytest
from django.conf import settings
from django.core.management import call_command

from hub.connections.canary import check_keys
from hub.connections.models import KeyCanary
from hub.lib.keyring import Keyring, KeyringError, new_key
from tests.factories import IntegrationFactory

pytestmark = pytest.mark.django_db


def use_keys(monkeypatch: pytest.MonkeyPatch, *keys: str) -> None:
    monkeypatch.setattr(settings, "HUB", replace(settings.HUB, encryption_keys=keys))


def test_a_new_hub_leaves_a_canary_and_starts_again() -> None:
    check_keys()
    check_keys()
    assert KeyCanary.objects.count() == 1


def test_a_wrong_key_names_both_and_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    former = Keyring(settings.HUB.encryption_keys).primary_id
    check_keys()
    use_keys(monkeypatch, new_key())
    with pytest.raises(KeyringError, match=f"encrypted with key {former}.*Put the former key back"):
        check_keys()


def test_a_wrong_key_is_noticed_by_the_data_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    IntegrationFactory(credential__secrets={"api_key": "planted"})
    use_keys(monkeypatch, new_key())
    with pytest.raises(KeyringError, match="does not fit"):
        check_keys()
    assert not KeyCanary.objects.exists()


def test_no_key_for_a_database_with_data_says_to_put_it_back(monkeypatch: pytest.MonkeyPatch) -> None:
    check_keys()
    use_keys(monkeypatch)
    with pytest.raises(KeyringError, match=r"Put back the file encryption\.key"):
        check_keys()


def test_no_key_for_a_new_hub_says_how_to_make_one(monkeypatch: pytest.MonkeyPatch) -> None:
    use_keys(monkeypatch)
    with pytest.raises(KeyringError, match="newkey"):
        check_keys()


def test_a_new_key_in_front_of_the_former_is_fine(monkeypatch: pytest.MonkeyPatch) -> None:
    check_keys()
    use_keys(monkeypatch, new_key(), *settings.HUB.encryption_keys)
    check_keys()


def test_newkey_prints_a_key() -> None:
    out = StringIO()
    call_command("newkey", stdout=out)
    assert Keyring([out.getvalue().strip()]).primary_id
