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
    assert "connections.Credential.secrets" in page.text
    assert former not in page.text
    assert 'class="ic-button ic-primary"' in page.text
    total = rotation.remaining()
    assert f'max="{total}" value="0" aria-label="Secrets encrypted with the first key"' in page.text
    done = client.post(reverse("admin:encryption_keys"), follow=True)
    assert "Everything is encrypted with the first key, and was opened to prove it." in done.text
    assert "Removable" in done.text
    assert f'max="{total}" value="{total}"' in done.text


def test_members_do_not_see_it() -> None:
    client = Client()
    client.force_login(MembershipFactory().user)
    assert client.get(reverse("admin:encryption_keys")).status_code == 403
    assert client.post(reverse("admin:encryption_keys")).status_code == 403
