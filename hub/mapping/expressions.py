"""JMESPath with bounds: what an admin types may be wrong or costly, and must never hang a worker.

``compile_expression`` checks length, grammar, function names and argument counts; a compiled
expression spends from a budget of steps while it reads one event.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.functions import Functions
from jmespath.visitor import TreeInterpreter

#: Characters an expression may have.
MAX_LENGTH = 1000
#: Steps one evaluation may take: nodes visited plus the size of what is built (well under a second).
MAX_STEPS = 300_000
#: Characters of text that count as one step.
TEXT_STEP = 64
TOO_MUCH = "The expression needs too much work for this event; make it simpler."
#: Python's words for it name its own types.
UNLIKE = "It compares values of different kinds, such as a text with a number."


class ExpressionError(ValueError):
    """The expression cannot be compiled or evaluated; the message is a sentence for the admin."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled JMESPath expression."""

    text: str
    _tree: Any
    #: The fields of a plain path (``data.customer.email``), most expressions; None for any other.
    _path: tuple[str, ...] | None = None

    def search(self, data: Any) -> Any:
        """Return what the expression finds in ``data``, None for nothing; raise ExpressionError."""
        if self._path is not None:
            return _follow(self._path, data)
        interpreter = _Bounded()
        try:
            found = interpreter.visit(self._tree, data)
            interpreter.spend(_weight(found, interpreter.left))
        except ExpressionError:
            raise
        except RecursionError:
            raise ExpressionError("The expression is nested too deeply.") from None
        except TypeError:
            raise ExpressionError(UNLIKE) from None
        except (JMESPathError, ValueError, ArithmeticError, AttributeError) as error:
            raise ExpressionError(_one_line(error)) from None
        return found


@lru_cache(maxsize=4096)
def compile_expression(text: str) -> Expression:
    """Return ``text`` compiled (kept for the next time); raise ExpressionError saying what is wrong."""
    if not text.strip():
        raise ExpressionError("The expression is empty.")
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"An expression may be {MAX_LENGTH} characters long, not {len(text)}.")
    try:
        tree = jmespath.compile(text).parsed
        _check_calls(tree)
    except RecursionError:
        raise ExpressionError("The expression is nested too deeply.") from None
    except (JMESPathError, ValueError) as error:
        raise ExpressionError(_one_line(error)) from None
    return Expression(text, tree, _plain_path(tree))


def is_true(value: Any) -> bool:
    """JMESPath's truth: null, false, "", [] and {} are false, everything else (0 too) is true."""
    return not (value is None or value is False or value in ("", [], {}))


def _plain_path(node: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Return the fields that ``node`` goes through, one within the other; None where it does more."""
    if node["type"] == "field":
        return (node["value"],)
    if node["type"] != "subexpression":
        return None
    parts = [_plain_path(child) for child in node["children"]]
    return None if None in parts else tuple(name for part in parts if part for name in part)


def _follow(path: Sequence[str], data: Any) -> Any:
    """What the interpreter finds on a plain path, at a tenth of its cost; what has no fields has none."""
    found = data
    try:
        for name in path:
            found = found.get(name)
    except AttributeError:
        return None
    if isinstance(found, dict | list | str) and _weight(found, MAX_STEPS) > MAX_STEPS:
        raise ExpressionError(TOO_MUCH)
    return found


class _Bounded(TreeInterpreter):
    """Evaluates while the budget lasts. Lists and objects that it builds are paid by their size:
    an expression can double its result with every few characters."""

    def __init__(self) -> None:
        super().__init__()
        self.left = MAX_STEPS

    def visit(self, node: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        self.spend(1)
        return super().visit(node, *args, **kwargs)

    def spend(self, steps: int) -> None:
        """Take ``steps`` from the budget; raise ExpressionError where it is used up."""
        self.left -= steps
        if self.left < 0:
            raise ExpressionError(TOO_MUCH)

    def visit_multi_select_list(self, node: dict[str, Any], value: Any) -> Any:
        return self._paid(super().visit_multi_select_list(node, value))

    def visit_multi_select_dict(self, node: dict[str, Any], value: Any) -> Any:
        return self._paid(super().visit_multi_select_dict(node, value))

    def visit_flatten(self, node: dict[str, Any], value: Any) -> Any:
        return self._paid(super().visit_flatten(node, value))

    def visit_function_expression(self, node: dict[str, Any], value: Any) -> Any:
        return self._paid(super().visit_function_expression(node, value))

    def _paid(self, built: Any) -> Any:
        self.spend(_weight(built, self.left))
        return built


def _weight(value: Any, limit: int) -> int:
    """Count the nodes of ``value`` (long texts count more), at most a little over ``limit``."""
    waiting, weight = [value], 0
    while waiting and weight <= limit:
        node = waiting.pop()
        weight += 1
        if isinstance(node, str):
            weight += len(node) // TEXT_STEP
        elif isinstance(node, dict):
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)
        elif node is not None and not isinstance(node, int | float):
            raise ExpressionError("The expression gives a function (&…), not a value.")
    return weight


def _check_calls(node: Any) -> None:
    """Refuse functions that do not exist or get the wrong number of arguments."""
    if not isinstance(node, dict):
        return
    if node["type"] == "function_expression":
        _check_call(node["value"], len(node["children"]))
    for child in node.get("children", []):
        _check_calls(child)


def _check_call(name: str, given: int) -> None:
    known = Functions.FUNCTION_TABLE
    if name not in known:
        raise ExpressionError(f"There is no function {name}(); there are: {', '.join(sorted(known))}.")
    signature = known[name]["signature"]
    variadic = bool(signature) and bool(signature[-1].get("variadic"))
    if given < len(signature) or (given > len(signature) and not variadic):
        least = "at least " if variadic else ""
        raise ExpressionError(f"{name}() takes {least}{len(signature)} arguments, not {given}.")


def _one_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip(" ^")]
    return " ".join(lines)[:300] or "The expression does not fit this event."
