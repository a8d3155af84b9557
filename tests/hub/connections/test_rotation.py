"""Changing the encryption key while others read and write."""

from collections.abc import Callable
from dataclasses import replace
from io import StringIO

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection

from hub.connections import rotation
from hub.connections.canary import check_keys
from hub.connections.models import Credential, KeyCanary
from hub.lib.keyring import Keyring, new_key
from tests.factories import IntegrationFactory, WebhookEndpointFactory
from webhooks.models import WebhookEndpoint

pytestmark = pytest.mark.django_db

UseKeys = Callable[..., None]


@pytest.fixture
def use_keys(monkeypatch: pytest.MonkeyPatch) -> UseKeys:
    def use(*keys: str) -> None:
        monkeypatch.setattr(settings, "HUB", replace(settings.HUB, encryption_keys=keys))

    return use


@pytest.fixture
def former() -> str:
    """The key that everything is encrypted with at first; five ciphertexts, the canary among them."""
    check_keys()
    IntegrationFactory(credential__secrets={"token": "planted"}, credential__tokens={"access_token": "a"})
    WebhookEndpointFactory(integration=IntegrationFactory(credential=False), secrets={"secret": "planted"})
    Credential.objects.create(integration=IntegrationFactory(credential=False), secrets={"token": "other"})
    return settings.HUB.encryption_keys[0]


def run(**options: object) -> str:
    out = StringIO()
    call_command("rotate_keys", stdout=out, **options)
    return out.getvalue()


def identity(key: str) -> str:
    return Keyring([key]).primary_id


def test_everything_is_re_encrypted_and_the_former_key_may_go(former: str, use_keys: UseKeys) -> None:
    new = new_key()
    use_keys(new, former)
    assert f"Key {identity(former)}: 5 ciphertexts; still needed" in run(status=True)
    said = run()
    assert f"Key {identity(former)}: 0 ciphertexts; nothing uses it: it may be removed." in said
    assert "Every ciphertext was opened" in said
    use_keys(new)
    check_keys()
    assert sorted(str(row.secrets) for row in Credential.objects.all()) == [
        "{'token': 'other'}",
        "{'token': 'planted'}",
    ]
    assert WebhookEndpoint.objects.get().secret_sets() == [{"secret": "planted"}]


def test_every_encrypted_column_of_the_hub_is_found() -> None:
    assert {"connections.KeyCanary.song", "webhooks.WebhookEndpoint.keys"} < {
        str(place) for place in rotation.places()
    }


def test_an_interrupted_run_goes_on_where_it_stopped(former: str, use_keys: UseKeys) -> None:
    use_keys(new_key(), former)
    steps = rotation.rotate(batch=1)
    next(steps)
    next(steps)
    steps.close()
    assert rotation.remaining() == 3
    run(batch=1)
    assert rotation.remaining() == 0
    assert "already" in run()


def test_a_copy_that_was_opened_before_stays_good(former: str, use_keys: UseKeys) -> None:
    held = Credential.objects.exclude(tokens=None).first()
    assert held is not None
    use_keys(new_key(), former)
    run()
    now = Credential.objects.get(pk=held.pk)
    assert (now.version, now.updated_at) == (held.version, held.updated_at)
    # It was read before the change and is opened only now.
    assert held.secrets == {"token": "planted"}


def test_a_token_that_is_renewed_meanwhile_is_not_overwritten(
    former: str, use_keys: UseKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_keys(new_key(), former)
    renew = rotation._renew
    target = Credential.objects.exclude(tokens=None).get(integration__credential__tokens__isnull=False)

    def overtaken(place: rotation.Place, ring: Keyring, row: Credential) -> str:
        if str(place).endswith(".tokens") and row.pk == target.pk and target.tokens != {"access_token": "b"}:
            target.tokens = {"access_token": "b"}
            target.save(update_fields=["tokens"])
        return renew(place, ring, row)

    monkeypatch.setattr(rotation, "_renew", overtaken)
    assert "1 saved by somebody else meanwhile" in run()
    assert Credential.objects.get(pk=target.pk).tokens == {"access_token": "b"}
    assert Credential.objects.get(pk=target.pk).version == target.version


def test_what_cannot_be_opened_is_named_and_the_rest_is_done(former: str, use_keys: UseKeys) -> None:
    new = new_key()
    use_keys(new)
    KeyCanary.objects.all().delete()
    stranger = Credential.objects.create(integration=IntegrationFactory(credential=False), secrets={"a": "b"})
    use_keys(new_key(), former)
    with pytest.raises(CommandError, match=f"1 ciphertext cannot be opened.*{stranger.pk}"):
        run()
    counted = {use.key_id: use for use in rotation.key_uses()}
    assert counted[identity(former)].removable
    assert not counted[identity(new)].known
    assert not counted[identity(new)].removable


def test_a_moved_ciphertext_is_not_blessed(former: str, use_keys: UseKeys) -> None:
    one, other = Credential.objects.filter(secrets__isnull=False).values_list("pk", "secrets")[:2]
    with connection.cursor() as cursor:
        key = Credential._meta.pk.get_db_prep_value(one[0], connection)
        cursor.execute("UPDATE connections_credential SET secrets = %s WHERE id = %s", [str(other[1]), key])
    use_keys(new_key(), former)
    with pytest.raises(CommandError, match=f"cannot be opened.*{one[0]}"):
        run()


def test_without_a_key_it_says_what_to_do(use_keys: UseKeys) -> None:
    use_keys()
    with pytest.raises(CommandError, match="HUB_ENCRYPTION_KEYS holds no key"):
        run()
