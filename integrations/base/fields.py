"""Declared fields: the form, its validation, masking and documentation come from them."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["text", "url", "email", "number", "boolean", "textarea", "list"]


@dataclass(frozen=True, slots=True)
class Field:
    """One thing an admin types in to connect a provider.

    ``pattern`` must match the whole value; ``example`` must match ``pattern`` (a contract test
    holds that). A ``secret`` goes into the encrypted credential and is never shown again.
    """

    name: str
    label: str
    help: str = ""
    example: str = ""
    pattern: str = ""
    secret: bool = False
    required: bool = True
    default: Any = None
    choices: tuple[tuple[str, str], ...] = ()
    kind: Kind = "text"
    max_length: int = 4000
    #: Makes a valid value for tests and the sandbox where ``example`` cannot be one (a key pair).
    sample: Callable[[], str] | None = None

    def clean(self, value: Any) -> Any:
        """Return the value in the field's type; raise ValueError with a sentence for the admin."""
        if value is None or value == "" or value == []:
            if self.required and self.default is None:
                raise ValueError(f"{self.label} is needed.")
            return self.default
        if self.kind == "boolean":
            return value in (True, "true", "True", "on", "1", 1)
        if self.kind == "number":
            return self._number(value)
        if self.kind == "list":
            entries = value if isinstance(value, list) else str(value).replace(",", "\n").split("\n")
            return [self._text(str(entry)) for entry in entries if str(entry).strip()]
        return self._text(str(value))

    def _number(self, value: Any) -> int | float:
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise ValueError(f"{self.label} must be a number, for example {self.example}.") from None
        return int(number) if number.is_integer() else number

    def _text(self, value: str) -> str:
        value = value.strip()
        if len(value) > self.max_length:
            raise ValueError(f"{self.label} may be {self.max_length} characters long, not {len(value)}.")
        if any(ord(character) < 32 and character not in "\n\r\t" for character in value):
            raise ValueError(f"{self.label} holds a control character; paste it again as plain text.")
        if self.choices and value not in dict(self.choices):
            allowed = ", ".join(key for key, _ in self.choices)
            raise ValueError(f"{self.label} must be one of: {allowed}.")
        if self.pattern and not re.fullmatch(self.pattern, value):
            shape = f" It looks like {self.example}" if self.example else ""
            raise ValueError(f"{self.label} does not have the form that is expected.{shape}")
        return value


def clean_all(fields: tuple[Field, ...], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``values`` cleaned by ``fields``; raise FieldErrors naming every field that is wrong."""
    cleaned: dict[str, Any] = {}
    errors: dict[str, str] = {}
    for field in fields:
        try:
            value = field.clean(values.get(field.name))
        except ValueError as error:
            errors[field.name] = str(error)
        else:
            if value is not None:
                cleaned[field.name] = value
    for name in set(values) - {field.name for field in fields}:
        errors[name] = f"There is no field {name} here."
    if errors:
        raise FieldErrors(errors)
    return cleaned


class FieldErrors(ValueError):
    """One sentence per field that was not accepted."""

    def __init__(self, errors: dict[str, str]):
        super().__init__("; ".join(f"{name}: {text}" for name, text in errors.items()))
        self.errors = errors
