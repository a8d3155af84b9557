"""Transforms of numbers and money: exact decimals, never binary fractions."""

import decimal
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from hub.mapping.expressions import ExpressionError, compile_expression
from hub.mapping.transforms.base import Transform
from hub.mapping.values import MAX_MAGNITUDE, TransformError, as_decimal

Rounding = Literal["half_up", "half_even", "up", "down"]
_MODES = {
    "half_up": decimal.ROUND_HALF_UP,
    "half_even": decimal.ROUND_HALF_EVEN,
    "up": decimal.ROUND_CEILING,
    "down": decimal.ROUND_FLOOR,
}
#: Enough digits for every product and quotient of allowed numbers to be exact to the last place shown.
_CONTEXT = decimal.Context(prec=4 * MAX_MAGNITUDE)

_CODE = re.compile("[A-Za-z]{3}")
#: Decimal places of currencies that do not have two (ISO 4217).
EXPONENTS = {
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG"), 0),
    **dict.fromkeys(("RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}


class Number(Transform):
    name: ClassVar[str] = "number"
    label: ClassVar[str] = "Number"
    help: ClassVar[str] = "Reads a number from text, also 1,234.50 or, with a comma for decimals, 1.234,50."

    decimal_sign: Literal[".", ","] = Field(".", title="Decimal sign")

    def apply(self, value: Any, event: Mapping[str, Any]) -> Decimal:
        if not isinstance(value, str):
            return as_decimal(value)
        text = re.sub(r"[\s'\u2019_]", "", value)
        text = text.replace("," if self.decimal_sign == "." else ".", "")
        try:
            return as_decimal(text.replace(",", "."))
        except TransformError:
            raise TransformError(value, f"a number such as 1234{self.decimal_sign}50") from None


class Round(Transform):
    name: ClassVar[str] = "round"
    label: ClassVar[str] = "Round"
    help: ClassVar[str] = "To so many decimal places; 0 gives a whole number."

    places: int = Field(0, title="Decimal places", ge=0, le=12)
    mode: Rounding = Field("half_up", title="Halves", description="half_up: 2.5 becomes 3.")

    def apply(self, value: Any, event: Mapping[str, Any]) -> Decimal:
        return as_decimal(value).quantize(Decimal(1).scaleb(-self.places), _MODES[self.mode], _CONTEXT)


class Multiply(Transform):
    name: ClassVar[str] = "multiply"
    label: ClassVar[str] = "Multiply"
    help: ClassVar[str] = "By a fixed factor; 0.01 makes per cent a fraction, -1 turns the sign."

    by: Decimal = Field(title="Factor", ge=-(10**12), le=10**12)

    def apply(self, value: Any, event: Mapping[str, Any]) -> Decimal:
        return as_decimal(_CONTEXT.multiply(as_decimal(value), self.by))


class Add(Transform):
    name: ClassVar[str] = "add"
    label: ClassVar[str] = "Add"
    help: ClassVar[str] = "A fixed number; negative to take away."

    number: Decimal = Field(title="Number", ge=-(10**12), le=10**12)

    def apply(self, value: Any, event: Mapping[str, Any]) -> Decimal:
        return as_decimal(_CONTEXT.add(as_decimal(value), self.number))


class _Money(Transform):
    """Knows how many decimal places the amount's currency has."""

    currency: str = Field(
        "", title="Currency", description="ISO code, where it is always the same: EUR.", max_length=3
    )
    currency_source: str = Field(
        "", title="Currency from", description="JMESPath over the event: data.currency.", max_length=1000
    )
    exponent: int | None = Field(
        None,
        title="Decimal places",
        description="Only where the provider counts otherwise than ISO 4217.",
        ge=0,
        le=6,
    )

    @field_validator("currency_source")
    @classmethod
    def _compiles(cls, text: str) -> str:
        if text:
            compile_expression(text)
        return text

    @model_validator(mode="after")
    def _knows_a_currency(self) -> "_Money":
        if not self.currency and not self.currency_source and self.exponent is None:
            raise ValueError("needs a currency, where to find it, or a number of decimal places")
        if self.currency and not _CODE.fullmatch(self.currency):
            raise ValueError("needs a currency code of three letters, such as EUR")
        return self

    def places(self, event: Mapping[str, Any]) -> int:
        """Return the decimal places; raise TransformError where the event names no currency."""
        if self.exponent is not None:
            return self.exponent
        if self.currency:
            return _exponent(self.currency)
        try:
            found = compile_expression(self.currency_source).search(event)
        except ExpressionError as error:
            raise TransformError(None, f"a currency at {self.currency_source} ({error})") from None
        return _exponent(found, f" at {self.currency_source}")


class ToMinorUnits(_Money):
    name: ClassVar[str] = "to_minor_units"
    label: ClassVar[str] = "Money to minor units"
    help: ClassVar[str] = "12.50 EUR becomes 1250; 500 JPY stays 500; 1.250 KWD becomes 1250."

    rounding: Literal["refuse", "half_up", "half_even", "up", "down"] = Field(
        "refuse", title="Smaller parts", description="What to do with 12.505 EUR."
    )

    def apply(self, value: Any, event: Mapping[str, Any]) -> Decimal:
        places = self.places(event)
        amount = as_decimal(value).scaleb(places, _CONTEXT)
        mode = decimal.ROUND_HALF_UP if self.rounding == "refuse" else _MODES[self.rounding]
        whole = amount.quantize(Decimal(1), mode, _CONTEXT)
        if self.rounding == "refuse" and whole != amount:
            raise TransformError(value, f"an amount with at most {places} decimal places")
        return whole


class FromMinorUnits(_Money):
    name: ClassVar[str] = "from_minor_units"
    label: ClassVar[str] = "Money from minor units"
    help: ClassVar[str] = "1250 EUR cents become 12.50."

    output: Literal["text", "number"] = Field(
        "text", title="Gives", description="Text keeps 12.50; a number is 12.5."
    )

    def apply(self, value: Any, event: Mapping[str, Any]) -> Decimal | str:
        places = self.places(event)
        amount = as_decimal(value)
        if amount != amount.to_integral_value():
            raise TransformError(value, "a whole number of minor units")
        exact = amount.quantize(Decimal(1), context=_CONTEXT).scaleb(-places, _CONTEXT)
        return exact if self.output == "number" else f"{exact:f}"


def _exponent(currency: Any, where: str = "") -> int:
    if not isinstance(currency, str) or not _CODE.fullmatch(currency.strip()):
        raise TransformError(currency, f"a currency code of three letters{where}")
    return EXPONENTS.get(currency.strip().upper(), 2)
