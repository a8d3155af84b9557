"""Several resources in one bundle, each found again by its identifier (FHIR R4, http.html#transaction).

A transaction is all or none. Where one entry spoils it the server names that entry; it fails alone, and
the others are sent again without it. Where the server does not name it, halves are sent.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from integrations.base.batches import apart, waves
from integrations.base.errors import Rejected, TransientError
from integrations.base.provider import Context, Outcome
from integrations.base.responses import TRANSIENT
from integrations.base.results import Result
from integrations.epic_fhir.client import fhir_json, id_in, issues_of, post
from integrations.epic_fhir.resources import KnownObservation, KnownPatient, validated

#: Resources in one bundle.
BUNDLE = 50
_ENTRY = re.compile(r"Bundle\.entry\[(\d+)\]\.?(?:resource\.?)?")
_RETRIED = TRANSIENT | {429}

Known = tuple[KnownPatient | KnownObservation, Callable[[], dict[str, Any]]]


def upsert(ctx: Context, known: Sequence[Known]) -> list[Outcome]:
    """Create or update each resource (its input, and what makes it); one outcome for each, in order."""
    outcomes: dict[int, Outcome] = {}
    entries: dict[int, dict[str, Any]] = {}
    for position, (data, make) in enumerate(known):
        try:
            entries[position] = _entry(validated(make()), data)
        except Rejected as error:
            outcomes[position] = error
    good = list(entries)
    for wave in waves(entries[position]["request"]["url"] for position in good):
        send = _sender(ctx, entries)
        outcomes |= apart(send, [good[place] for place in wave])
    return [outcomes[position] for position in range(len(known))]


def _entry(resource: dict[str, Any], data: KnownPatient | KnownObservation) -> dict[str, Any]:
    """A conditional update: one match is updated, none is created."""
    name = quote(f"{data.identifier_system}|{data.identifier}", safe="")
    return {
        "resource": resource,
        "request": {"method": "PUT", "url": f"{resource['resourceType']}?identifier={name}"},
    }


def _sender(
    ctx: Context, entries: Mapping[int, dict[str, Any]]
) -> Callable[[Sequence[int]], dict[int, Outcome]]:
    kind = ctx.settings.get("bundle_type") or "transaction"

    def send(positions: Sequence[int]) -> dict[int, Outcome]:
        bundle = {"resourceType": "Bundle", "type": kind, "entry": [entries[one] for one in positions]}
        try:
            answer = fhir_json(post(ctx, "", bundle))
        except Rejected as error:
            named = _named(error, positions)
            if not named:
                raise
            left = [one for one in positions if one not in named]
            return {**named, **(apart(send, left) if left else {})}
        return _outcomes(answer, entries, positions)

    return send


def _named(error: Rejected, positions: Sequence[int]) -> dict[int, Outcome]:
    """Return the refusal of each entry that the server named."""
    reasons: dict[int, dict[str, str]] = {}
    for path, reason in error.fields.items():
        found = _ENTRY.match(path)
        if found and int(found[1]) < len(positions):
            place = path[found.end() :] or "resource"
            reasons.setdefault(positions[int(found[1])], {})[place] = reason
    return {
        position: Rejected("; ".join(fields.values()), fields=fields, status=error.status)
        for position, fields in reasons.items()
    }


def _outcomes(
    answer: Mapping[str, Any], entries: Mapping[int, dict[str, Any]], positions: Sequence[int]
) -> dict[int, Outcome]:
    answered = answer.get("entry") or []
    if len(answered) != len(positions):
        raise TransientError(
            f"The server answered {len(answered)} of {len(positions)} entries, so it is not known which "
            "were written."
        )
    return {
        position: _outcome(entry, entries[position]["resource"]["resourceType"])
        for position, entry in zip(positions, answered, strict=True)
    }


def _outcome(entry: Mapping[str, Any], kind: str) -> Outcome:
    response = entry.get("response") or {}
    code = str(response.get("status", ""))[:3]
    status = int(code) if code.isdigit() else 500
    if 200 <= status < 300:
        made = id_in(str(response.get("location", "")), kind) or (entry.get("resource") or {}).get("id", "")
        return Result(external_id=str(made), data={"new": status == 201})
    issues = list(issues_of(response.get("outcome") or entry.get("resource")))
    said = f"The provider answered {status}: " + ("; ".join(text for _, text in issues) or "no reason given")
    if status in _RETRIED or status >= 500:
        return TransientError(said, status=status)
    return Rejected(said, fields={path: text for path, text in issues if path}, status=status)
