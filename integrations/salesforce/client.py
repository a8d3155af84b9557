"""Salesforce's collections: up to 200 records in one call, found again by an external ID; and its errors."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from hub.lib.outbound import Response
from integrations.base.batches import waves
from integrations.base.errors import (
    IntegrationError,
    PermanentError,
    RateLimited,
    Rejected,
    TransientError,
)
from integrations.base.provider import Context, Outcome
from integrations.base.responses import classifier, json_of
from integrations.base.results import Result

#: Records in one call, as Salesforce allows.
COLLECTION = 200
#: Refusals that pass by themselves; they come with 400, and for single records of a collection.
_PASSING = frozenset({"UNABLE_TO_LOCK_ROW", "SERVER_UNAVAILABLE", "QUERY_TIMEOUT"})
_LIMIT = "REQUEST_LIMIT_EXCEEDED"


@dataclass(frozen=True, slots=True)
class Row:
    """One record of a collection: its object, the external ID field and value that find it, what to set."""

    object: str
    key_field: str
    key: str
    fields: Mapping[str, Any]


def upsert(ctx: Context, rows: Sequence[Row]) -> list[Outcome]:
    """Create or update records; one outcome for each, in order. A refused one fails alone.

    Records of one object go together, and none twice in one call.
    """
    outcomes: dict[int, Outcome] = {}
    for (name, key_field), positions in _by_object(rows).items():
        for wave in waves(rows[at].key.lower() for at in positions):
            places = [positions[one] for one in wave]
            outcomes |= _send(ctx, name, key_field, {at: rows[at] for at in places})
    return [outcomes[position] for position in range(len(rows))]


def _by_object(rows: Sequence[Row]) -> dict[tuple[str, str], list[int]]:
    parts: dict[tuple[str, str], list[int]] = {}
    for position, row in enumerate(rows):
        parts.setdefault((row.object, row.key_field), []).append(position)
    return parts


def _send(ctx: Context, name: str, key_field: str, part: Mapping[int, Row]) -> dict[int, Outcome]:
    records = [{"attributes": {"type": name}, **row.fields, key_field: row.key} for row in part.values()]
    path = f"/composite/sobjects/{quote(name, safe='')}/{quote(key_field, safe='')}"
    answers = ctx.http.patch(path, json={"allOrNone": False, "records": records}).json()
    if not isinstance(answers, list) or len(answers) != len(part):
        raise TransientError("Salesforce did not say of each record what became of it.")
    return {at: _outcome(answer) for at, answer in zip(part, answers, strict=True)}


def _outcome(answer: Mapping[str, Any]) -> Outcome:
    if answer.get("success"):
        return Result(external_id=str(answer.get("id") or ""), data={"new": bool(answer.get("created"))})
    errors = answer.get("errors") or [{}]
    said = "; ".join(str(error.get("message") or "Salesforce refused this record.") for error in errors)
    if any(error.get("statusCode") in _PASSING for error in errors):
        return TransientError(said)
    return Rejected(said, fields=dict(_reasons(errors)))


def _reasons(errors: Any) -> Iterator[tuple[str, str]]:
    """Yield (field, reason) of a list of errors; of a whole answer's as well."""
    for error in errors if isinstance(errors, list) else ():
        for name in error.get("fields") or ():
            yield str(name), str(error.get("message", "refused"))


def _codes(response: Response) -> list[str]:
    body = json_of(response)
    errors = body if isinstance(body, list) else []
    return [str(error.get("errorCode")) for error in errors if isinstance(error, Mapping)]


def _fields(response: Response) -> Mapping[str, str]:
    try:
        return dict(_reasons(response.json()))
    except ValueError:
        return {}


_by_status = classifier(message="error_description || error || [].message", fields=_fields)


def classify(response: Response) -> None:
    """Raise the right IntegrationError for an answer that is no success; errors come as a JSON array.

    The daily limit is told with 403 and names no time to wait.
    """
    try:
        _by_status(response)
    except PermanentError as error:
        raise _by_code(error, _codes(response)) from None


def _by_code(error: PermanentError, codes: Sequence[str]) -> IntegrationError:
    if _LIMIT in codes:
        hint = "The organization's daily API calls are used up; Setup → Company Information shows them."
        return RateLimited(error.message, hint=hint, status=error.status)
    if _PASSING.intersection(codes):
        return TransientError(error.message, status=error.status)
    if error.status == 403 and not error.hint:
        error.hint = "Give the app's run-as user the permission “API Enabled”, and access to the object."
    return error
