"""Transforms of text."""

import base64
import hashlib
import re
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from hub.mapping.expressions import ExpressionError, compile_expression
from hub.mapping.transforms.base import Transform
from hub.mapping.values import TransformError, as_text, to_json

#: ``{{`` and ``}}`` are braces; ``{path}`` is filled in.
_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


class Text(Transform):
    name: ClassVar[str] = "text"
    label: ClassVar[str] = "Text"
    help: ClassVar[str] = "Numbers and truth values become text."

    def apply(self, value: Any, event: Mapping[str, Any]) -> str:
        return as_text(value)


class Upper(Transform):
    name: ClassVar[str] = "upper"
    label: ClassVar[str] = "Upper case"
    help: ClassVar[str] = "ann becomes ANN."

    def apply(self, value: Any, event: Mapping[str, Any]) -> str:
        return as_text(value).upper()


class Lower(Transform):
    name: ClassVar[str] = "lower"
    label: ClassVar[str] = "Lower case"
    help: ClassVar[str] = "ANN becomes ann."

    def apply(self, value: Any, event: Mapping[str, Any]) -> str:
        return as_text(value).lower()


class Title(Transform):
    name: ClassVar[str] = "title"
    label: ClassVar[str] = "Capitalise words"
    help: ClassVar[str] = "ann lee becomes Ann Lee."

    def apply(self, value: Any, event: Mapping[str, Any]) -> str:
        return " ".join(word[:1].upper() + word[1:] for word in as_text(value).split(" "))


class Trim(Transform):
    name: ClassVar[str] = "trim"
    label: ClassVar[str] = "Trim"
    help: ClassVar[str] = "Takes white space off both ends; text that was nothing else counts as missing."

    def apply(self, value: Any, event: Mapping[str, Any]) -> str | None:
        return as_text(value).strip() or None


class Truncate(Transform):
    name: ClassVar[str] = "truncate"
    label: ClassVar[str] = "Shorten"
    help: ClassVar[str] = "Cuts text that is longer than the provider takes."

    length: int = Field(title="Length", description="Characters to keep at most.", ge=1, le=1_000_000)
    ending: str = Field(
        "", title="Ending", description="Put where text was cut, within the length.", max_length=20
    )

    def apply(self, value: Any, event: Mapping[str, Any]) -> str:
        text = as_text(value)
        if len(text) <= self.length:
            return text
        ending = self.ending[: self.length]
        return text[: self.length - len(ending)] + ending


class Replace(Transform):
    name: ClassVar[str] = "replace"
    label: ClassVar[str] = "Replace"
    help: ClassVar[str] = "Puts one text in place of another, everywhere."

    find: str = Field(title="Find", description="Exactly this text.", min_length=1, max_length=500)
    replacement: str = Field("", title="Replace with", description="Empty: takes it out.", max_length=500)

    def apply(self, value: Any, event: Mapping[str, Any]) -> str:
        return as_text(value).replace(self.find, self.replacement)


class Split(Transform):
    name: ClassVar[str] = "split"
    label: ClassVar[str] = "Split"
    help: ClassVar[str] = "Text becomes a list; empty parts are left out."
    each: ClassVar[bool] = False

    separator: str = Field(",", title="Separator", min_length=1, max_length=20)

    def apply(self, value: Any, event: Mapping[str, Any]) -> list[str]:
        return [part.strip() for part in as_text(value).split(self.separator) if part.strip()]


class Join(Transform):
    name: ClassVar[str] = "join"
    label: ClassVar[str] = "Join"
    help: ClassVar[str] = "A list becomes text; a single value stays as it is, as text."
    each: ClassVar[bool] = False

    separator: str = Field(", ", title="Separator", max_length=20)

    def apply(self, value: Any, event: Mapping[str, Any]) -> str:
        entries = value if isinstance(value, list) else [value]
        return self.separator.join(as_text(entry) for entry in entries if entry is not None)


class Template(Transform):
    name: ClassVar[str] = "template"
    label: ClassVar[str] = "Template"
    help: ClassVar[str] = (
        "Text with values of the event in braces: “Order {data.id} of {data.customer.name}”. "
        "{value} is the value so far; {{ and }} are braces."
    )
    each: ClassVar[bool] = False
    takes_nothing: ClassVar[bool] = True

    text: str = Field(title="Text", max_length=10_000)
    missing: Literal["empty", "error"] = Field(
        "empty", title="Where a value is missing", description="Leave the place empty, or refuse the event."
    )

    @field_validator("text")
    @classmethod
    def _paths_compile(cls, text: str) -> str:
        for match in _PLACEHOLDER.finditer(text):
            if match.group() in ("{", "}"):
                raise ValueError(f"has a single {match.group()}; write it twice for a brace")
            if match.group(1) is not None:
                try:
                    compile_expression(match.group(1))
                except ExpressionError as error:
                    raise ValueError(f"has {{{match.group(1)}}}: {error}") from None
        return text

    def apply(self, value: Any, event: Mapping[str, Any]) -> str:
        scope = {**event, "value": value}

        def fill(match: re.Match[str]) -> str:
            if match.group(1) is None:
                return match.group()[0]
            return self._read(match.group(1), scope)

        return _PLACEHOLDER.sub(fill, self.text)

    def _read(self, path: str, scope: Mapping[str, Any]) -> str:
        try:
            found = compile_expression(path).search(scope)
        except ExpressionError as error:
            raise TransformError(None, f"a value for {{{path}}} ({error})") from None
        if found is None and self.missing == "error":
            raise TransformError(None, f"a value for {{{path}}}")
        if found is None:
            return ""
        return to_json(found) if isinstance(found, dict | list) else as_text(found)


class Email(Transform):
    name: ClassVar[str] = "email"
    label: ClassVar[str] = "E-mail address"
    help: ClassVar[str] = "Trims and lower-cases an address, the form that providers hash and compare."

    def apply(self, value: Any, event: Mapping[str, Any]) -> str:
        address = as_text(value).strip().lower()
        name, _, domain = address.rpartition("@")
        if not name or not domain or any(character.isspace() for character in address):
            raise TransformError(value, "an e-mail address such as ann@example.com")
        return address


class Sha256(Transform):
    name: ClassVar[str] = "sha256"
    label: ClassVar[str] = "SHA-256"
    help: ClassVar[str] = "The digest of the text, for providers that take hashed personal data."

    encoding: Literal["hex", "base64"] = Field("hex", title="Encoding")

    def apply(self, value: Any, event: Mapping[str, Any]) -> str:
        try:
            digest = hashlib.sha256(as_text(value).encode())
        except UnicodeEncodeError:
            raise TransformError(repr(value), "text in valid Unicode") from None
        return digest.hexdigest() if self.encoding == "hex" else base64.b64encode(digest.digest()).decode()
