"""Reads posted events: plain JSON, or CloudEvents 1.0 structured, binary and in batches."""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import unquote

import orjson
from django.http import HttpRequest
from rest_framework.exceptions import ParseError, UnsupportedMediaType

from hub.api.problems import FieldProblem, TooLarge
from hub.events.intake import Draft
from hub.lib.inbound import human_size, read_body

#: Bytes of one event, events of one batch, and bytes of a whole batch.
EVENT_BYTES = 1024 * 1024
BATCH_EVENTS = 500
BATCH_BYTES = 32 * 1024 * 1024

JSON = "application/json"
#: Makes a text of which only the digits are left, all alike: long numbers are found at memory's speed.
_DIGITS = bytes(ord("0") if byte in b"0123456789" else ord(" ") for byte in range(256))
_LONG_NUMBER = b"0" * 19
STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
PLAIN_FIELDS = ("type", "data", "subject", "source", "time", "idempotency_key", "deliver_at")


@dataclass(frozen=True, slots=True)
class Posted:
    """What a request brings; ``is_batch`` decides the form of the answer and of field names."""

    drafts: list[Draft]
    is_batch: bool


class Wrong(Exception):
    """One field of one event is not accepted."""

    def __init__(self, field: str, message: str):
        super().__init__(message)
        self.field, self.message = field, message


def read_events(request: HttpRequest) -> Posted:
    """Return the events of a request; raise FieldProblem, TooLarge, ParseError or UnsupportedMediaType."""
    kind = request.META.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
    if "HTTP_CE_SPECVERSION" in request.META and kind not in (STRUCTURED, BATCH):
        return _one(lambda: _binary(request, kind))
    if kind not in (JSON, STRUCTURED, BATCH, ""):
        raise UnsupportedMediaType(kind, f"Send {JSON}, {STRUCTURED} or {BATCH}, not {kind!r}.")
    raw = read_body(request, BATCH_BYTES)
    parsed = _parse(raw)
    rows = _rows(parsed, kind)
    key = request.META.get("HTTP_IDEMPOTENCY_KEY", "")
    if rows is not None:
        return _many(rows, kind, key, measure=len(raw) > EVENT_BYTES)
    if len(raw) > EVENT_BYTES:
        raise TooLarge(f"An event may have {human_size(EVENT_BYTES)}, not {len(raw)} bytes.")
    return _one(lambda: _draft(parsed, kind, key))


def field_name(field: str, index: int | None) -> str:
    """Return the name of a field in an error: with the event's index where there are several."""
    if index is None:
        return field
    return f"events[{index}].{field}" if field else f"events[{index}]"


def _one(read: Callable[[], Draft]) -> Posted:
    try:
        return Posted([read()], is_batch=False)
    except Wrong as wrong:
        raise FieldProblem([(wrong.field, wrong.message)]) from None


def _many(rows: list[Any], kind: str, key: str, *, measure: bool) -> Posted:
    """Read a batch; its own idempotency key stands for one of each event that brings none."""
    drafts: list[Draft] = []
    errors: list[tuple[str, str]] = []
    for index, row in enumerate(rows):
        try:
            if measure:
                _check_size(row, index)
            drafts.append(_draft(row, kind, f"{key}#{index}" if key else ""))
        except Wrong as wrong:
            errors.append((field_name(wrong.field, index), wrong.message))
    if errors:
        raise FieldProblem(errors, detail=f"None of the {len(rows)} events was accepted: mend these first.")
    return Posted(drafts, is_batch=True)


def _check_size(row: Any, index: int) -> None:
    try:
        size = len(json.dumps(row, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace"))
    except RecursionError:
        raise Wrong("", "The event is nested too deep.") from None
    if size > EVENT_BYTES:
        limit = human_size(EVENT_BYTES)
        raise TooLarge(f"An event may have {limit}; {field_name('', index)} has {size} bytes.")


def _rows(parsed: Any, kind: str) -> list[Any] | None:
    """Return the events of a batch, or None where one event was posted."""
    if isinstance(parsed, dict) and "events" in parsed and "type" not in parsed:
        if unknown := sorted(set(parsed) - {"events"}):
            raise FieldProblem(
                [(unknown[0], f"A batch has only 'events'; {unknown[0]!r} belongs into an event.")]
            )
        parsed = parsed["events"]
        if not isinstance(parsed, list):
            raise FieldProblem([("events", "'events' must be a list.")])
    if not isinstance(parsed, list):
        if kind == BATCH:
            raise FieldProblem([("", "A batch of CloudEvents is a JSON list.")])
        return None
    if not parsed:
        raise FieldProblem([("events", "The batch is empty; send at least one event.")])
    if len(parsed) > BATCH_EVENTS:
        raise FieldProblem([("events", f"A batch may have {BATCH_EVENTS} events, not {len(parsed)}.")])
    return parsed


def _parse(raw: bytes) -> Any:
    """Return what the body holds: nothing but JSON, also where Python's parser would take more."""
    if not raw.strip():
        raise ParseError("The body is empty; send an event as JSON.")
    try:
        parsed = orjson.loads(raw)
        if _LONG_NUMBER in raw.translate(_DIGITS):
            # orjson made a float of a whole number past 64 bits; such a number may be somebody's id.
            parsed = json.loads(raw)
        return parsed
    except RecursionError:
        raise ParseError("The body is nested too deep.") from None
    except ValueError as error:
        raise ParseError(f"The body is not JSON: {error}.") from None


def _draft(row: Any, kind: str, key: str = "") -> Draft:
    if not isinstance(row, dict):
        raise Wrong("", "An event is a JSON object.")
    if kind in (STRUCTURED, BATCH) or "specversion" in row:
        return _cloud_event(row)
    return _plain(row, key)


def _plain(row: Mapping[str, Any], key: str) -> Draft:
    for name in row:
        if name not in PLAIN_FIELDS:
            raise Wrong(
                name, f"There is no field {name!r} in an event; there are: {', '.join(PLAIN_FIELDS)}."
            )
    return Draft(
        type=_text(row, "type", required=True),
        data=row.get("data"),
        subject=_text(row, "subject"),
        source=_text(row, "source"),
        time=_moment(row, "time"),
        idempotency_key=_text(row, "idempotency_key") or key or None,
        deliver_at=_moment(row, "deliver_at"),
        strict=True,
    )


def _cloud_event(row: Mapping[str, Any]) -> Draft:
    """Read a structured CloudEvent; source and id together are its identity (CloudEvents 1.0 §3.1)."""
    if row.get("specversion") != "1.0":
        raise Wrong("specversion", "The hub takes CloudEvents 1.0: 'specversion' must be '1.0'.")
    if "data" in row and "data_base64" in row:
        raise Wrong("data_base64", "A CloudEvent has either 'data' or 'data_base64'.")
    data = row.get("data")
    if "data_base64" in row:
        data = _decoded(_text(row, "data_base64"), _text(row, "datacontenttype") or JSON)
    return _cloud_draft(row, data)


def _cloud_draft(row: Mapping[str, Any], data: Any) -> Draft:
    source, identifier = _text(row, "source", required=True), _text(row, "id", required=True)
    return Draft(
        type=_text(row, "type", required=True),
        data=data,
        subject=_text(row, "subject"),
        source=source,
        time=_moment(row, "time"),
        idempotency_key=_text(row, "idempotencykey") or f"{source}#{identifier}",
        deliver_at=_moment(row, "deliverat"),
        strict=True,
    )


def _binary(request: HttpRequest, kind: str) -> Draft:
    """Read a CloudEvent whose attributes are ``ce-`` headers and whose data is the body."""
    row = {
        name.lower()[3:]: unquote(value)
        for name, value in request.headers.items()
        if name.lower().startswith("ce-")
    }
    if row.get("specversion") != "1.0":
        raise Wrong("ce-specversion", "The hub takes CloudEvents 1.0: 'ce-specversion' must be '1.0'.")
    raw = read_body(request, EVENT_BYTES)
    return _cloud_draft(row, _content(raw, kind or JSON) if raw else None)


def _decoded(text: str, kind: str) -> Any:
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:  # also for what is not ASCII
        raise Wrong("data_base64", "'data_base64' is not base64.") from None
    return _content(raw, kind)


def _content(raw: bytes, kind: str) -> Any:
    """Return data as JSON, as text, or, where it is neither, as base64."""
    kind = kind.partition(";")[0].strip().lower()
    if kind == JSON or kind.endswith("+json"):
        return _parse(raw)
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return base64.b64encode(raw).decode()
    return base64.b64encode(raw).decode() if "\x00" in text else text


def _text(row: Mapping[str, Any], name: str, *, required: bool = False) -> str:
    value = row.get(name)
    if value is None or value == "":
        if required:
            raise Wrong(name, f"'{name}' is needed.")
        return ""
    if not isinstance(value, str):
        raise Wrong(name, f"'{name}' must be text.")
    return value


def _moment(row: Mapping[str, Any], name: str) -> datetime | None:
    if row.get(name) is None:
        return None
    text = _text(row, name)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Wrong(name, f"'{name}' must be a time like 2026-01-31T12:00:00Z (RFC 3339).") from None
    if moment.tzinfo is None:
        raise Wrong(name, f"'{name}' needs a time zone, for example a Z at its end.")
    return moment
