"""The page “Encryption keys”."""

from dataclasses import replace

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from hub.connections import rotation
from hub.lib.keyring import new_key
from tests.factories import IntegrationFactory, MembershipFactory, UserFactory

pytestmark = pytest.mark.django_db


def test_superusers_see_the_keys_and_re_encrypt(monkeypatch: pytest.MonkeyPatch) -> None:
    IntegrationFactory(credential__secrets={"token": "planted"})
    former = settings.HUB.encryption_keys[0]
    monkeypatch.setattr(settings, "HUB", replace(settings.HUB, encryption_keys=(new_key(), former)))
    client = Client()
    client.force_login(UserFactory(is_superuser=True))
    page = client.get(reverse("admin:encryption_keys"))
    assert all(use.key_id in page.text for use in rotation.key_uses())
    assert "Credentials of integrations: 1" in page.text
    assert "connections.Credential" not in page.text
    assert former not in page.text
    assert 'class="ic-button ic-primary"' in page.text
    total = rotation.remaining()
    assert f'max="{total}" value="0" aria-label="Secrets encrypted with the first key"' in page.text
    done = client.post(reverse("admin:encryption_keys"), follow=True)
    assert "Everything is encrypted with the first key, and was opened to prove it." in done.text
    assert "Removable" in done.text
    assert f'max="{total}" value="{total}"' in done.text


def test_every_encrypted_column_is_told_in_words() -> None:
    for place in rotation.places():
        assert place.words != place.field.name.replace("_", " "), f"{place} needs words for the page of keys"


def test_what_cannot_be_opened_is_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    row = IntegrationFactory(credential__secrets={"token": "planted"}).credential
    monkeypatch.setattr(settings, "HUB", replace(settings.HUB, encryption_keys=(new_key(),)))
    monkeypatch.setattr(rotation, "remaining", lambda: 0)
    client = Client()
    client.force_login(UserFactory(is_superuser=True))
    told = client.post(reverse("admin:encryption_keys"), follow=True).text
    assert f"credentials of integrations ({row.pk})" in told
    assert "Connect these again." in told


def test_members_do_not_see_it() -> None:
    client = Client()
    client.force_login(MembershipFactory().user)
    assert client.get(reverse("admin:encryption_keys")).status_code == 403
    assert client.post(reverse("admin:encryption_keys")).status_code == 403
