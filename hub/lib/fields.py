"""Model fields whose column holds only ciphertext."""

import json
from typing import Any

from django.db import models

from hub.lib.keyring import is_lost, keyring


class Sealed(str):
    """A ciphertext as read from the database, not opened yet."""


class EncryptedJSONField(models.TextField):
    """A JSON value that is AES-256-GCM ciphertext in the database, bound to its row and field.

    The value is opened on first access, so that loading a row never decrypts. What was encrypted by
    a key that is lost for good reads as None. The model needs a primary key that exists before the
    insert (a UUID). ``QuerySet.update`` is refused, because it knows no row to bind to.
    """

    description = "Encrypted JSON"

    # What the type checker is to see; the column is text, the value any JSON.
    _pyi_private_set_type: Any
    _pyi_private_get_type: Any

    def contribute_to_class(self, cls, name, private_only=False):
        super().contribute_to_class(cls, name, private_only)
        setattr(cls, self.attname, _Opening(self))

    def from_db_value(self, value: str | None, expression: object, connection: object) -> Any:
        return None if value is None else Sealed(value)

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        held = model_instance.__dict__.get(self.attname)
        if held is None or isinstance(held, Sealed):
            return held
        token = keyring().encrypt(json.dumps(held).encode(), self.context(model_instance))
        return Sealed(token)

    def get_prep_value(self, value: Any) -> Any:
        if value is not None and not isinstance(value, Sealed):
            raise TypeError(f"{self.name} is encrypted per row: set it on the instance and call save().")
        return value if value is None else str(value)

    def context(self, instance: models.Model) -> str:
        """The associated data: table, primary key and field."""
        return f"{instance._meta.db_table}:{instance.pk}:{self.attname}"

    def lost_in(self, instance: models.Model) -> bool:
        """Whether the row holds a value that nobody can open any more."""
        held = instance.__dict__.get(self.attname)
        return isinstance(held, Sealed) and is_lost(held)

    def formfield(self, *args: Any, **kwargs: Any) -> None:
        """No form that is made from the model may show or take a secret."""

    def value_to_string(self, obj: models.Model) -> str:
        raise TypeError(f"{self.name} is a secret and is never serialised.")


class _Opening:
    """Decrypts a sealed value the first time somebody asks for it."""

    def __init__(self, field: EncryptedJSONField):
        self.field = field

    def __get__(self, instance: models.Model | None, owner: type | None = None) -> Any:
        if instance is None:
            return self
        if self.field.attname not in instance.__dict__:
            instance.refresh_from_db(fields=[self.field.attname])
        held = instance.__dict__.get(self.field.attname)
        if isinstance(held, Sealed):
            if is_lost(held):
                # The row keeps it until something new is entered: a key that is found opens it again.
                return None
            held = json.loads(keyring().decrypt(held, self.field.context(instance)))
            instance.__dict__[self.field.attname] = held
        return held

    def __set__(self, instance: models.Model, value: Any) -> None:
        instance.__dict__[self.field.attname] = value
