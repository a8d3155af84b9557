"""Transforms of dates and times."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator, model_validator

from hub.mapping.transforms.base import Transform
from hub.mapping.values import TransformError

#: Unix times above this are milliseconds: as seconds they would lie past the year 5000.
_MILLISECONDS_FROM = 100_000_000_000


class Date(Transform):
    name: ClassVar[str] = "date"
    label: ClassVar[str] = "Date and time"
    help: ClassVar[str] = (
        "Reads ISO 8601, Unix seconds or milliseconds, or the formats you give, and writes it as the "
        "provider wants it."
    )

    formats: tuple[str, ...] = Field(
        (),
        title="Formats",
        description="Tried in order, before ISO 8601: %d.%m.%Y or %m/%d/%Y %H:%M.",
        max_length=10,
    )
    zone: str = Field(
        "UTC", title="Time zone of the input", description="Where the value itself names none: Europe/Berlin."
    )
    to_zone: str = Field(
        "", title="Time zone of the output", description="Empty keeps the time zone of the input."
    )
    output: Literal["iso", "iso_utc", "date", "unix", "unix_ms", "format"] = Field(
        "iso",
        title="Gives",
        description="iso_utc is 2026-01-31T12:00:00Z; date is 2026-01-31; unix counts seconds.",
    )
    output_format: str = Field("", title="Output format", description="For Gives: format.", max_length=100)

    @field_validator("zone", "to_zone")
    @classmethod
    def _zone_exists(cls, name: str) -> str:
        if name:
            _zone(name)
        return name

    @model_validator(mode="after")
    def _has_a_format(self) -> "Date":
        if self.output == "format" and not self.output_format:
            raise ValueError("needs an output format")
        return self

    def apply(self, value: Any, event: Mapping[str, Any]) -> str | int:
        try:
            moment = self._read(value)
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=_zone(self.zone or "UTC"))
            if self.to_zone:
                moment = moment.astimezone(_zone(self.to_zone))
            return self._write(moment)
        except (OverflowError, OSError):
            raise TransformError(value, "a time between the years 1 and 9999") from None

    def _read(self, value: Any) -> datetime:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise TransformError(value, "a date or time")
        if not isinstance(value, str):
            return _from_unix(value)
        text = value.strip()
        for form in self.formats:
            try:
                return datetime.strptime(text, form)
            except (ValueError, re.error):
                continue
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            pass
        if not self.formats and re.fullmatch(r"-?[0-9]{1,16}(\.[0-9]{1,9})?", text):
            return _from_unix(float(text) if "." in text else int(text))
        expected = " or ".join(self.formats) or "a time such as 2026-01-31T12:00:00Z"
        raise TransformError(value, expected)

    def _write(self, moment: datetime) -> str | int:
        if self.output == "unix":
            return int(moment.timestamp())
        if self.output == "unix_ms":
            return int(moment.timestamp() * 1000)
        if self.output == "date":
            return moment.date().isoformat()
        if self.output == "iso_utc":
            return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
        if self.output == "format":
            return moment.strftime(self.output_format)
        return moment.isoformat()


def _from_unix(value: int | float) -> datetime:
    try:
        seconds = value / 1000 if abs(value) >= _MILLISECONDS_FROM else value
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        raise TransformError(value, "a Unix time in seconds or milliseconds") from None


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"there is no time zone {name!r}; one is Europe/Berlin") from None
