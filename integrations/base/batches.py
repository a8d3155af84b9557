"""What batch endpoints have in common: no key twice in one request, and a bad row fails alone.

Rows are named by their place among the inputs, so that outcomes go back to where they belong.
"""

from collections.abc import Callable, Iterable, Sequence

from integrations.base.errors import PermanentError
from integrations.base.provider import Outcome

#: Answers that refuse the whole request for what stands in it.
REFUSED_WHOLE = frozenset({400, 422})


def waves(keys: Iterable[str]) -> list[list[int]]:
    """Part rows so that no key stands twice in one request; those of the same key keep their order."""
    parts: list[list[int]] = []
    seen: dict[str, int] = {}
    for position, key in enumerate(keys):
        turn = seen[key] = seen.get(key, -1) + 1
        if turn == len(parts):
            parts.append([])
        parts[turn].append(position)
    return parts


def apart(send: Callable[[Sequence[int]], dict[int, Outcome]], rows: Sequence[int]) -> dict[int, Outcome]:
    """Send ``rows``; where one spoils the whole request, halve until it stands alone.

    Raise what ``send`` raises for any other reason.
    """
    try:
        return send(rows)
    except PermanentError as error:
        if error.status not in REFUSED_WHOLE:
            raise
        if len(rows) == 1:
            return {rows[0]: error}
    middle = len(rows) // 2
    return {**apart(send, rows[:middle]), **apart(send, rows[middle:])}
