"""AES-256-GCM under several keys, and the field that binds a ciphertext to its row."""

import base64

import pytest
from django.db import connection

from hub.connections.models import Credential
from hub.lib.keyring import Keyring, KeyringError, new_key
from tests.factories import IntegrationFactory


def test_a_new_key_has_256_bits() -> None:
    assert len(base64.urlsafe_b64decode(new_key())) == 32
    assert new_key() != new_key()


def test_what_was_encrypted_comes_back_and_never_looks_the_same() -> None:
    ring = Keyring([new_key()])
    first, second = ring.encrypt(b"planted", "row:1"), ring.encrypt(b"planted", "row:1")
    assert first != second
    assert "planted" not in first
    assert ring.decrypt(first, "row:1") == ring.decrypt(second, "row:1") == b"planted"


def test_another_row_or_field_does_not_open_it() -> None:
    ring = Keyring([new_key()])
    with pytest.raises(KeyringError, match="moved to another row"):
        ring.decrypt(ring.encrypt(b"planted", "row:1:a"), "row:2:a")


def test_no_flipped_bit_goes_unnoticed() -> None:
    ring = Keyring([new_key()])
    token = ring.encrypt(b"planted", "row:1")
    head, body = token.rsplit(".", 1)
    raw = base64.urlsafe_b64decode(body)
    for position in range(len(raw)):
        for bit in (1, 128):
            changed = bytearray(raw)
            changed[position] ^= bit
            with pytest.raises(KeyringError):
                ring.decrypt(f"{head}.{base64.urlsafe_b64encode(changed).decode()}", "row:1")


@pytest.mark.parametrize(
    "token", ["", "v1", "v1.", "v1..", "v2.00000000.AAAA", "planted", "v1.{id}.", "v1.{id}.@@@"]
)
def test_what_is_no_ciphertext_is_refused_with_a_sentence(token: str) -> None:
    ring = Keyring([new_key()])
    with pytest.raises(KeyringError):
        ring.decrypt(token.format(id=ring.primary_id), "row:1")


def test_the_first_key_encrypts_and_every_key_decrypts() -> None:
    old, new = new_key(), new_key()
    before, after = Keyring([old]), Keyring([new, old])
    token = before.encrypt(b"planted", "row:1")
    assert after.decrypt(token, "row:1") == b"planted"
    assert not after.is_current(token)
    assert after.is_current(after.encrypt(b"planted", "row:1"))
    with pytest.raises(KeyringError, match=f"key {before.primary_id}, which"):
        Keyring([new]).decrypt(token, "row:1")


@pytest.mark.parametrize("key", ["short", "ä", base64.urlsafe_b64encode(b"x" * 31).decode(), "A" * 64])
def test_a_key_of_another_form_is_refused_by_its_position(key: str) -> None:
    with pytest.raises(KeyringError, match="Key 2"):
        Keyring([new_key(), key])


def test_no_key_at_all_says_what_to_do() -> None:
    with pytest.raises(KeyringError, match="newkey"):
        Keyring([])


def column(row: Credential) -> str:
    """The bytes that stand in the database."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT secrets FROM connections_credential WHERE id = %s", [_key(row)])
        return str(cursor.fetchone()[0])


def put(row: Credential, token: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE connections_credential SET secrets = %s WHERE id = %s", [token, _key(row)])


def _key(row: Credential) -> str:
    return row.pk.hex if connection.vendor == "sqlite" else str(row.pk)


@pytest.mark.django_db
class TestEncryptedField:
    def credential(self, value: str = "planted") -> Credential:
        integration = IntegrationFactory(credential__secrets={"api_key": value})
        return Credential.objects.get(integration=integration)

    def test_only_ciphertext_is_in_the_database(self) -> None:
        row = self.credential()
        assert column(row).startswith("v1.")
        assert row.secrets == {"api_key": "planted"}

    def test_a_ciphertext_copied_to_another_row_does_not_open(self) -> None:
        mine, other = self.credential(), self.credential("other")
        put(mine, column(other))
        with pytest.raises(KeyringError, match="moved to another row"):
            _ = Credential.objects.get(pk=mine.pk).secrets

    def test_a_ciphertext_copied_to_another_field_does_not_open(self) -> None:
        row = self.credential()
        with connection.cursor() as cursor:
            cursor.execute("UPDATE connections_credential SET tokens = secrets WHERE id = %s", [_key(row)])
        with pytest.raises(KeyringError):
            _ = Credential.objects.get(pk=row.pk).tokens

    def test_saving_a_row_that_nobody_opened_keeps_its_ciphertext(self) -> None:
        row = Credential.objects.get(pk=self.credential().pk)
        before = column(row)
        row.save()
        assert column(row) == before

    def test_a_list_of_rows_loads_no_secret_unless_asked(self, django_assert_num_queries) -> None:
        self.credential()
        with django_assert_num_queries(1):
            rows = list(Credential.objects.defer("secrets", "tokens"))
        with django_assert_num_queries(1):
            assert rows[0].secrets == {"api_key": "planted"}

    def test_update_of_many_rows_is_refused(self) -> None:
        self.credential()
        with pytest.raises(TypeError, match="encrypted per row"):
            Credential.objects.update(secrets={"api_key": "planted"})

    def test_it_is_never_serialised(self) -> None:
        row = self.credential()
        with pytest.raises(TypeError, match="secret"):
            Credential._meta.get_field("secrets").value_to_string(row)
