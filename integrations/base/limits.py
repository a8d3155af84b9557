"""What the headers of an answer tell of a provider's limit: how much is left, and when there is more."""

import email.utils
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache

#: A number beyond this is a Unix time, not a number of seconds to wait (which it would be 31 years of).
_EPOCH = 1_000_000_000
_NUMBER = re.compile(r"[0-9]{1,15}(\.[0-9]{1,9})?")


class Reset(StrEnum):
    """How a header says when there is more."""

    SECONDS = "seconds until then"
    MILLISECONDS = "milliseconds until then"
    UNIX = "Unix time in seconds"
    #: For addresses behind which anybody's API may be: the number itself tells.
    NUMBER = "seconds until then, or Unix time"
    DATE = "HTTP date or RFC 3339"


#: Names of headers are declared as providers write them, and asked for with every answer.
_lower = lru_cache(maxsize=256)(str.lower)


@dataclass(frozen=True, slots=True)
class LimitHeaders:
    """One of a provider's limits, as its answers tell it: the names of two headers.

    ``remaining``: requests left, ``0`` where it is used up; ``reset``: when there are more, written as
    ``form`` says.
    """

    remaining: str
    reset: str
    form: Reset = Reset.SECONDS

    def wait(self, headers: Mapping[str, str], *, refused: bool, now: float) -> float:
        """Return the seconds until this limit lets another request pass; 0 where it does, or tells nothing.

        ``headers`` have lower-case names. Of an answer that was ``refused`` for a limit (429) and does not
        say what is left, the reset counts.
        """
        left = headers.get(_lower(self.remaining), "").strip()
        if not left and not refused:
            return 0.0
        spent = bool(_NUMBER.fullmatch(left)) and float(left) < 1
        if left and not spent:
            return 0.0
        return max(0.0, self._seconds(headers.get(_lower(self.reset), "").strip(), now))

    def _seconds(self, text: str, now: float) -> float:
        if self.form == Reset.DATE:
            moment = _moment(text)
            return moment - now if moment is not None else 0.0
        if not _NUMBER.fullmatch(text):
            return 0.0
        number = float(text)
        if self.form == Reset.MILLISECONDS:
            return number / 1000
        absolute = self.form == Reset.UNIX or (self.form == Reset.NUMBER and number > _EPOCH)
        return number - now if absolute else number


def told_wait(declared: Sequence[LimitHeaders], status: int, headers: Mapping[str, str]) -> float:
    """Return the longest wait in seconds that an answer tells of by the ``declared`` headers; 0 for none."""
    now = time.time()
    return max([each.wait(headers, refused=status == 429, now=now) for each in declared], default=0.0)


def _moment(text: str) -> float | None:
    """Return the Unix time of a date, or None where it is none."""
    for read in (email.utils.parsedate_to_datetime, datetime.fromisoformat):
        try:
            found = read(text)
        except ValueError:
            continue
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    return None
