"""What a check says."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How much a finding matters."""

    OK = "ok"
    ADVICE = "advice"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence about the deployment, and what to do about it where something is to be done."""

    check: str
    level: Level
    message: str
    remedy: str = ""


def ok(check: str, message: str) -> Finding:
    """All is well."""
    return Finding(check, Level.OK, message)


def advice(check: str, message: str, remedy: str) -> Finding:
    """It works, and could be better."""
    return Finding(check, Level.ADVICE, message, remedy)


def problem(check: str, message: str, remedy: str) -> Finding:
    """Something is broken, unsafe, or will break."""
    return Finding(check, Level.PROBLEM, message, remedy)
