"""From an event to an action's input, by rules. Pure: no database, no network.

A rule is ``{"source": JMESPath, "transforms": [{"name": …}], "target": dotted, "required": bool}``.
The source may be empty where a ``default`` or ``template`` makes the value. No value at the end:
the field is left out, unless it is required. All problems are collected, never only the first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson
from pydantic import BaseModel

from hub.lib.compact import compact
from hub.mapping.expressions import Expression, ExpressionError, compile_expression
from hub.mapping.targets import Part, Tree, missing_targets, parse_target, unknown_target
from hub.mapping.transforms import make_transform
from hub.mapping.transforms.base import Transform
from hub.mapping.values import TransformError, plain, shown

MAX_RULES = 300
MAX_TRANSFORMS = 20
#: Characters of text one rule may make.
MAX_TEXT = 1024 * 1024
_KEYS = {"source", "transforms", "target", "required"}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. ``rule`` counts from 1, 0 is the mapping itself; ``value`` is shortened."""

    rule: int
    source: str
    target: str
    value: str
    expectation: str

    def __str__(self) -> str:
        place = f"Rule {self.rule}" if self.rule else "The mapping"
        way = " → ".join(part for part in (self.source, self.target) if part)
        got = f"got {self.value}, " if self.value else ""
        return f"{place}{f' ({way})' if way else ''}: {got}expected {self.expectation}."


class MappingError(Exception):
    """The event cannot be mapped: every problem of every rule."""

    def __init__(self, problems: Sequence[Problem]):
        super().__init__(" ".join(str(problem) for problem in problems))
        self.problems = list(problems)


@dataclass(frozen=True, slots=True)
class _Rule:
    number: int
    source: str
    expression: Expression | None
    transforms: tuple[Transform, ...]
    target: str
    parts: tuple[Part, ...]
    required: bool

    def problem(self, value: str, expectation: str) -> Problem:
        return Problem(self.number, self.source, self.target, value, expectation)

    def read(self, event: Mapping[str, Any]) -> Any:
        """Return the rule's value for ``event``; raise TransformError or ExpressionError."""
        value = self.expression.search(event) if self.expression else None
        for transform in self.transforms:
            value = transform.run(value, event)
            if isinstance(value, str) and len(value) > MAX_TEXT:
                raise TransformError(value, f"text of at most {MAX_TEXT} characters after {transform.name}")
        return value


def map_event(rules: Sequence[Mapping[str, Any]], event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the input that ``rules`` make of ``event`` (the envelope as a dict: id, type, data …).

    Raises MappingError with every problem. The result shares nothing with ``event``.
    """
    compiled, found = _compile(rules)
    problems = list(found)
    tree = Tree()
    for rule in compiled:
        problems += _apply(rule, event, tree)
    if problems:
        raise MappingError(sorted(problems, key=lambda problem: problem.rule))
    return tree.value()


def rule_values(rules: Sequence[Mapping[str, Any]], event: Mapping[str, Any]) -> dict[int, str]:
    """Return what each rule, from 1, makes of ``event``, shortened; failing rules are left out."""
    values = {}
    for rule in _compile(rules)[0]:
        try:
            values[rule.number] = shown(plain(rule.read(event)))
        except (TransformError, ExpressionError):
            continue
    return values


def map_leniently(rules: Sequence[Mapping[str, Any]], event: Mapping[str, Any]) -> dict[str, Any]:
    """Return what those of ``rules`` that work make of ``event``: for an editor, never for a delivery."""
    tree = Tree()
    for rule in _compile(rules)[0]:
        _apply(rule, event, tree)
    return tree.value()


def validate_rules(rules: Any, input_model: type[BaseModel] | None = None) -> list[Problem]:
    """Return what is wrong with ``rules``, before any event comes: grammar, transforms, targets.

    With ``input_model`` (of the action) also targets it does not have and required fields that no
    rule fills.
    """
    compiled, found = _compile(rules)
    problems = list(found)
    if input_model is None:
        return problems
    for rule in compiled:
        if expectation := unknown_target(input_model, rule.parts):
            problems.append(rule.problem("", expectation))
    broken = {problem.target.partition(".")[0] for problem in found}
    for field in missing_targets(input_model, [rule.parts for rule in compiled]):
        if field not in broken:
            problems.append(Problem(0, "", field, "", "a rule for this field: the action needs it"))
    return sorted(problems, key=lambda problem: (problem.rule == 0, problem.rule))


def _apply(rule: _Rule, event: Mapping[str, Any], tree: Tree) -> list[Problem]:
    try:
        value = rule.read(event)
    except TransformError as error:
        return [rule.problem(shown(error.value), error.expectation)]
    except ExpressionError as error:
        return [rule.problem("", f"an expression that this event fits ({error})")]
    if value is None:
        return [rule.problem("nothing", "a value: the rule is required")] if rule.required else []
    try:
        tree.put(rule.parts, plain(value))
    except TransformError as error:
        return [rule.problem(shown(error.value), error.expectation)]
    except ValueError as error:
        return [
            rule.problem(shown(value), f"{error} to hold parts; an earlier rule put a single value there")
        ]
    return []


def _compile(rules: Any) -> tuple[tuple[_Rule, ...], tuple[Problem, ...]]:
    """Compile; the same rules again cost one serialisation."""
    if not isinstance(rules, list | tuple):
        return (), (Problem(0, "", "", shown(rules), "a list of rules"),)
    if len(rules) > MAX_RULES:
        return (), (Problem(0, "", "", f"{len(rules)} rules", f"at most {MAX_RULES}"),)
    try:
        return _compile_text(compact(list(rules), sort=True))
    except TypeError:
        return (), (Problem(0, "", "", shown(list(rules)), "rules that JSON can hold"),)


@lru_cache(maxsize=1024)
def _compile_text(text: bytes) -> tuple[tuple[_Rule, ...], tuple[Problem, ...]]:
    compiled: list[_Rule] = []
    problems: list[Problem] = []
    for number, declared in enumerate(orjson.loads(text), 1):
        rule, found = _compile_rule(number, declared)
        problems += found
        if rule is not None:
            compiled.append(rule)
    return tuple(compiled), tuple(problems)


def _compile_rule(number: int, declared: Any) -> tuple[_Rule | None, list[Problem]]:
    if not isinstance(declared, dict):
        return None, [Problem(number, "", "", shown(declared), "a rule with source and target")]
    source, target = declared.get("source") or "", declared.get("target") or ""
    problems: list[Problem] = []

    def wrong(expectation: str, value: Any = None) -> None:
        given = shown(value) if value is not None else ""
        problems.append(Problem(number, str(source)[:200], str(target)[:200], given, expectation))

    for key in sorted(set(declared) - _KEYS):
        wrong(f"only {', '.join(sorted(_KEYS))}", key)
    transforms = _compile_transforms(declared.get("transforms") or [], wrong)
    expression = _compile_source(source, transforms, wrong)
    parts: tuple[Part, ...] = ()
    try:
        parts = parse_target(target if isinstance(target, str) else "")
    except ValueError as error:
        wrong(f"a valid target ({error})", target or None)
    if not isinstance(declared.get("required", False), bool):
        wrong("true or false for required", declared["required"])
    if problems:
        return None, problems
    return _Rule(number, source, expression, transforms, target, parts, declared.get("required", False)), []


def _compile_source(source: Any, transforms: tuple[Transform, ...], wrong: Any) -> Expression | None:
    if not isinstance(source, str):
        wrong("a JMESPath expression as source", source)
        return None
    if not source.strip():
        if not any(transform.takes_nothing for transform in transforms):
            wrong("a source, or a default or template that makes the value")
        return None
    try:
        return compile_expression(source)
    except ExpressionError as error:
        wrong(f"a JMESPath expression as source ({error})")
        return None


def _compile_transforms(declared: Any, wrong: Any) -> tuple[Transform, ...]:
    if not isinstance(declared, list) or len(declared) > MAX_TRANSFORMS:
        wrong(f"a list of at most {MAX_TRANSFORMS} transforms", declared)
        return ()
    made = []
    for entry in declared:
        try:
            made.append(make_transform(entry))
        except ValueError as error:
            wrong(f"a step that works ({error})")
    return tuple(made)


def same_rules(one: Any, other: Any) -> bool:
    """Whether both do the same: what an option is by default may stand there or be left out."""
    return _in_full(one) == _in_full(other)


def _in_full(rules: Any) -> Any:
    if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
        return rules
    return [
        (
            str(rule.get("source") or "").strip(),
            str(rule.get("target") or "").strip(),
            bool(rule.get("required")),
            _steps_in_full(rule.get("transforms") or []),
        )
        for rule in rules
    ]


def _steps_in_full(steps: Any) -> Any:
    return [_step_in_full(step) for step in steps] if isinstance(steps, list) else steps


def _step_in_full(step: Any) -> Any:
    try:
        made = make_transform(step)
    except ValueError:
        return step
    return {"name": made.name, **made.model_dump()}
