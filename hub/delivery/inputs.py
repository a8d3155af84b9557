"""From an envelope to an action's typed input: the same for a delivery and for its preview."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from hub.delivery.sources import Envelope
from hub.mapping.engine import MappingError, map_event
from hub.mapping.values import shown
from integrations.base.errors import PermanentError, Rejected
from integrations.base.inputs import sentence
from integrations.base.provider import Action


@dataclass(frozen=True, slots=True)
class InputProblem:
    """Why an event is no input: a sentence, the target field and, from 1, the rule it came by (0: none)."""

    message: str
    field: str = ""
    rule: int = 0

    def __str__(self) -> str:
        return self.message


class InputError(Exception):
    """The event cannot become the action's input; every problem is told."""

    def __init__(self, problems: Sequence[InputProblem], hint: str):
        super().__init__(" ".join(problem.message for problem in problems))
        self.problems = list(problems)
        self.hint = hint

    def as_permanent(self) -> PermanentError:
        """The error a delivery ends with: trying again changes nothing before the mapping does."""
        fields = {problem.field: problem.message for problem in self.problems if problem.field}
        return Rejected(str(self), fields=fields, hint=self.hint)


def build_input(action: Action, rules: Sequence[Mapping[str, Any]] | None, envelope: Envelope) -> BaseModel:
    """Return the input of ``action``; without rules the event's data (or the whole event) is taken as it is.

    Raises InputError.
    """
    if rules:
        try:
            values = map_event(rules, envelope.as_dict())
        except MappingError as error:
            problems = [
                InputProblem(str(problem), problem.target, problem.rule) for problem in error.problems
            ]
            raise InputError(problems, "Correct the mapping or the event, then replay it.") from error
    else:
        values = envelope.as_dict() if action.whole_event else _data_as_input(envelope)
    try:
        return action.input.model_validate(values)
    except ValidationError as error:
        hint = f"“{action.label}” needs other data: correct the mapping of the route, then replay the event."
        raise InputError(_problems(error, rules), hint) from None


def _data_as_input(envelope: Envelope) -> dict[str, Any]:
    if not isinstance(envelope.data, dict):
        message = f"The event's data is {shown(envelope.data)}, not an object with fields."
        raise InputError([InputProblem(message)], "Give the route a mapping that says what goes where.")
    return envelope.data


def _problems(error: ValidationError, rules: Sequence[Mapping[str, Any]] | None) -> list[InputProblem]:
    found = []
    for entry in error.errors(include_url=False):
        field = ".".join(str(part) for part in entry["loc"])
        rule = _rule_of(field, rules or ())
        reason = sentence(entry)
        came = shown(entry["input"])
        got = "" if entry["type"] == "missing" or came in reason else f" (got {came})"
        by = f" filled by rule {rule}" if rule else ""
        place = f"Field {field}{by}: " if field else ""
        found.append(InputProblem(f"{place}{reason}{got}.", field, rule))
    return found


def _rule_of(field: str, rules: Sequence[Mapping[str, Any]]) -> int:
    """Return the last rule, from 1, whose target is ``field`` or a part of its way; 0 for none."""
    for number in range(len(rules), 0, -1):
        target = str(rules[number - 1].get("target", "")).replace('"', "")
        if target and (field == target or field.startswith(f"{target}.")):
            return number
    return 0
