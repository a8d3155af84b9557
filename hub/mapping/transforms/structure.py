"""Transforms that choose, look up, decide and take apart."""

import json
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from hub.mapping.transforms.base import Transform
from hub.mapping.values import TransformError, as_list, as_text, plain, to_json


class Default(Transform):
    name: ClassVar[str] = "default"
    label: ClassVar[str] = "Default"
    help: ClassVar[str] = "The value to take where there is none, or only empty text."
    each: ClassVar[bool] = False
    takes_nothing: ClassVar[bool] = True

    value: Any = Field(title="Value", description="Text, a number, true or false, a list or an object.")

    def apply(self, value: Any, event: Mapping[str, Any]) -> Any:
        return self.value if value is None or value == "" else value


class Lookup(Transform):
    name: ClassVar[str] = "lookup"
    label: ClassVar[str] = "Lookup table"
    help: ClassVar[str] = "Finds the value in a table: paid → closedwon."

    table: dict[str, Any] = Field(title="Table", description="Value of the event → value of the provider.")
    otherwise: Literal["error", "keep", "default"] = Field(
        "error", title="Not in the table", description="Refuse, keep the value, or take the default."
    )
    default: Any = Field(None, title="Default", description="Empty leaves the field out.")
    ignore_case: bool = Field(False, title="Ignore upper and lower case")

    def apply(self, value: Any, event: Mapping[str, Any]) -> Any:
        key = as_text(value)
        found, hit = self._find(key)
        if hit:
            return found
        if self.otherwise == "keep":
            return value
        if self.otherwise == "default":
            return self.default
        known = ", ".join(list(self.table)[:10]) + (", …" if len(self.table) > 10 else "")
        raise TransformError(value, f"one of the table: {known}")

    def _find(self, key: str) -> tuple[Any, bool]:
        if key in self.table:
            return self.table[key], True
        if self.ignore_case:
            for known, result in self.table.items():
                if known.casefold() == key.casefold():
                    return result, True
        return None, False


class Boolean(Transform):
    name: ClassVar[str] = "boolean"
    label: ClassVar[str] = "Yes or no"
    help: ClassVar[str] = "Words become true and false; upper and lower case do not matter."

    true_words: tuple[str, ...] = Field(("true", "yes", "y", "on", "1"), title="Words for yes")
    false_words: tuple[str, ...] = Field(("false", "no", "n", "off", "0", ""), title="Words for no")

    @model_validator(mode="after")
    def _words_differ(self) -> "Boolean":
        both = {word.casefold() for word in self.true_words} & {word.casefold() for word in self.false_words}
        if both:
            raise ValueError(f"has {', '.join(sorted(both))} for both yes and no")
        return self

    def apply(self, value: Any, event: Mapping[str, Any]) -> bool:
        if isinstance(value, bool):
            return value
        word = as_text(value).strip().casefold()
        if word in (known.casefold() for known in self.true_words):
            return True
        if word in (known.casefold() for known in self.false_words):
            return False
        words = [word for word in (*self.true_words, *self.false_words) if word]
        raise TransformError(value, f"one of: {', '.join(words)}")


class First(Transform):
    name: ClassVar[str] = "first"
    label: ClassVar[str] = "First of a list"
    help: ClassVar[str] = "An empty list counts as missing."
    each: ClassVar[bool] = False

    def apply(self, value: Any, event: Mapping[str, Any]) -> Any:
        return next(iter(as_list(value)), None)


class Last(Transform):
    name: ClassVar[str] = "last"
    label: ClassVar[str] = "Last of a list"
    help: ClassVar[str] = "An empty list counts as missing."
    each: ClassVar[bool] = False

    def apply(self, value: Any, event: Mapping[str, Any]) -> Any:
        return next(reversed(as_list(value)), None)


class JsonEncode(Transform):
    name: ClassVar[str] = "json_encode"
    label: ClassVar[str] = "To JSON text"
    help: ClassVar[str] = "An object or list becomes JSON text, for providers that take it in one field."
    each: ClassVar[bool] = False

    def apply(self, value: Any, event: Mapping[str, Any]) -> str:
        return to_json(plain(value))


class JsonDecode(Transform):
    name: ClassVar[str] = "json_decode"
    label: ClassVar[str] = "From JSON text"
    help: ClassVar[str] = "JSON text becomes the object, list or value it describes."
    each: ClassVar[bool] = False

    def apply(self, value: Any, event: Mapping[str, Any]) -> Any:
        try:
            return json.loads(as_text(value), parse_constant=_refuse)
        except (ValueError, RecursionError):
            raise TransformError(value, "valid JSON text") from None


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
