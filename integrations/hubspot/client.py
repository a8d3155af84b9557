"""HubSpot's batch upsert and errors.

Facts: a 207 names accepted rows in ``results`` and refused ones in ``errors``, tied to the inputs
by ``objectWriteTraceId`` or id; one invalid row in a 400 refuses the whole batch.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from hub.lib.outbound import Response
from integrations.base.batches import apart, waves
from integrations.base.capabilities import Input
from integrations.base.errors import AuthError, PermanentError, RateLimited, Rejected, TransientError
from integrations.base.provider import Context, Outcome
from integrations.base.responses import TRANSIENT, classifier, json_of, standard_retry_after
from integrations.base.results import Result

#: HubSpot's own association of a deal with a contact.
DEAL_TO_CONTACT = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 3}
#: Seconds to wait after a 429 that names none, by the limit that was reached.
WAITS = {"SECONDLY": 1.0, "TEN_SECONDLY_ROLLING": 10.0, "DAILY": 3600.0}
_WAITING = frozenset({"RATE_LIMIT", "RATE_LIMITS", "INTERNAL_ERROR", "SERVICE_UNAVAILABLE"})


@dataclass(frozen=True, slots=True)
class Row:
    """One input of a batch: the value that finds the object, its property, what to set."""

    key: str
    id_property: str
    properties: Mapping[str, str]


def objects(ctx: Context) -> str:
    """Return the path of the CRM objects in the version that is set."""
    version = ctx.settings.get("api_version") or "v3"
    return "/crm/v3/objects" if version == "v3" else f"/crm/objects/{version}"


def properties(
    data: Input, names: Mapping[str, str], hidden: frozenset[str] | set[str] = frozenset()
) -> dict[str, str]:
    """Return HubSpot properties of what was given; nothing is sent for what was left out."""
    given = data.model_dump(exclude_defaults=True, exclude={"properties", *hidden})
    named = {names.get(name, name): value for name, value in given.items()}
    return {name: _text(value) for name, value in {**named, **getattr(data, "properties", {})}.items()}


def _text(value: Any) -> str:
    """All values travel as text; several choices are parted by semicolons, nothing clears."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return format(Decimal(repr(value)), "f").removesuffix(".0")
    if isinstance(value, list | tuple):
        return ";".join(_text(one) for one in value)
    return "" if value is None else str(value)


def upsert(ctx: Context, kind: str, rows: Sequence[Row]) -> list[Outcome]:
    """Create or update up to 100 objects of a kind; one outcome per row, in order."""
    outcomes: dict[int, Outcome] = {}
    for wave in waves(row.key.lower() for row in rows):
        outcomes |= apart(lambda part: _send(ctx, kind, {at: rows[at] for at in part}), wave)
    return [outcomes[position] for position in range(len(rows))]


def _send(ctx: Context, kind: str, wave: Mapping[int, Row]) -> dict[int, Outcome]:
    inputs = [
        {
            "id": row.key,
            "idProperty": row.id_property,
            "objectWriteTraceId": str(position),
            "properties": row.properties,
        }
        for position, row in wave.items()
    ]
    response = ctx.http.post(f"{objects(ctx)}/{kind}/batch/upsert", json={"inputs": inputs})
    return _outcomes(response.json(), wave)


def _outcomes(answer: Mapping[str, Any], wave: Mapping[int, Row]) -> dict[int, Outcome]:
    results, errors = answer.get("results") or [], answer.get("errors") or []
    made: dict[int, Outcome] = {}
    by_trace = {result.get("objectWriteTraceId"): result for result in results}
    for position, row in wave.items():
        refused = next((error for error in errors if _is_about(error, position, row)), None)
        if refused is not None:
            made[position] = _row_error(refused)
        elif found := by_trace.get(str(position)) or _named(results, row):
            made[position] = _result(found)
    for position in wave.keys() - made.keys():
        if errors:
            said = "; ".join(str(error.get("message", "")) for error in errors)
            made[position] = TransientError(f"HubSpot did not say what became of this row: {said}"[:500])
        else:
            made[position] = _result(results[0]) if len(results) == len(wave) == 1 else Result()
    return made


def _named(results: Sequence[Mapping[str, Any]], row: Row) -> Mapping[str, Any] | None:
    """Return the result about ``row`` among those that name no input, by the value that finds the object."""
    for result in results:
        value = (result.get("properties") or {}).get(row.id_property) or ""
        if not result.get("objectWriteTraceId") and value.lower() == row.key.lower():
            return result
    return None


def _is_about(error: Mapping[str, Any], position: int, row: Row) -> bool:
    context = error.get("context") or {}
    ids = [str(one).lower() for one in (*_many(context.get("ids")), *_many(context.get("id")))]
    return str(position) in _many(context.get("objectWriteTraceId")) or row.key.lower() in ids


def _many(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _result(found: Mapping[str, Any]) -> Result:
    return Result(external_id=str(found.get("id", "")), data={"new": bool(found.get("new"))})


def _row_error(error: Mapping[str, Any]) -> TransientError | Rejected:
    said, category = str(error.get("message") or "HubSpot refused this row."), error.get("category")
    if category in _WAITING:
        return TransientError(said)
    return Rejected(said, fields=_reasons(error))


def attach_contacts(ctx: Context, emails: Sequence[str | None], outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Attach to each deal that was saved its contact, which is created where it is not known."""
    done = list(outcomes)
    wanted = {
        position: email
        for position, (email, outcome) in enumerate(zip(emails, outcomes, strict=True))
        if email and isinstance(outcome, Result) and outcome.external_id
    }
    contacts = dict(
        zip(
            wanted,
            upsert(ctx, "contacts", [Row(e, "email", {"email": e}) for e in wanted.values()]),
            strict=True,
        )
    )
    pairs: dict[int, tuple[str, str]] = {}
    for position, contact in contacts.items():
        deal = done[position]
        if isinstance(contact, Result) and isinstance(deal, Result):
            pairs[position] = (deal.external_id, contact.external_id)
        else:
            done[position] = contact
    for position, error in _associate(ctx, pairs).items():
        done[position] = error
    return done


def _associate(ctx: Context, pairs: Mapping[int, tuple[str, str]]) -> dict[int, Rejected]:
    if not pairs:
        return {}
    inputs = [{"from": {"id": a}, "to": {"id": b}, "types": [DEAL_TO_CONTACT]} for a, b in pairs.values()]
    answer = ctx.http.post("/crm/v4/associations/deals/contacts/batch/create", json={"inputs": inputs}).json()
    refused: dict[int, Rejected] = {}
    for error in answer.get("errors") or []:
        said = str(error.get("message") or "HubSpot refused it.")
        about = [p for p, pair in pairs.items() if pair[0] in str(error.get("context"))] or list(pairs)
        text = "The deal is saved, but its contact was not attached: " + said
        refused |= {p: Rejected(text, fields={"contact_email": said}) for p in about}
    return refused


def _reasons(error: Mapping[str, Any]) -> dict[str, str]:
    return dict(_each_reason(error.get("errors") or [error]))


def _each_reason(errors: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    for error in errors:
        context = error.get("context")
        named = _many(context.get("propertyName")) if isinstance(context, Mapping) else []
        name = next(iter(named), None) or error.get("in")
        if name:
            yield str(name), str(error.get("message", "refused"))


def _reasons_of(response: Response) -> dict[str, str]:
    body = json_of(response)
    return _reasons(body) if isinstance(body, Mapping) else {}


_by_status = classifier(
    message="message", fields=_reasons_of, transient=TRANSIENT - {409}, retry_after=standard_retry_after
)


def classify(response: Response) -> None:
    """Raise the right IntegrationError for an answer that is no success.

    403 means missing scopes: no item of its kind will pass before somebody reconnects.
    """
    try:
        _by_status(response)
    except RateLimited as error:
        error.retry_after = error.retry_after or WAITS.get(_policy(response), 10.0)
        raise
    except PermanentError as error:
        if response.status != 403:
            raise
        hint = "The app lacks a scope. Add the scopes named in the instructions and connect again."
        raise AuthError(error.message, status=403, hint=hint) from None


def _policy(response: Response) -> str:
    body = json_of(response)
    return str(body.get("policyName", "")) if isinstance(body, Mapping) else ""
