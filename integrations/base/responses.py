"""From a provider's answer to the error the engine understands."""

import email.utils
import time
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import jmespath

from hub.lib.outbound import Response
from hub.lib.sentences import cut
from integrations.base.errors import (
    AuthError,
    IntegrationError,
    PermanentError,
    RateLimited,
    Rejected,
    TransientError,
)


def json_of(response: Response) -> Any:
    """Return an answer's JSON, or None where it is none."""
    try:
        return response.json()
    except ValueError:
        return None


@contextmanager
def hinting(hints: Mapping[int, str]) -> Iterator[None]:
    """Give an IntegrationError that passes the hint of its status, if there is one."""
    try:
        yield
    except IntegrationError as error:
        error.hint = hints.get(error.status or 0, error.hint)
        raise


TRANSIENT = frozenset({408, 409, 423, 425, 477, 502, 503, 504, 521, 522, 523, 524})


def classifier(
    *,
    message: str = "",
    fields: Callable[[Response], Mapping[str, str]] | None = None,
    transient: frozenset[int] = TRANSIENT,
    auth: frozenset[int] = frozenset({401}),
    retry_after: Callable[[Response], float | None] | None = None,
) -> Callable[[Response], None]:
    """Return a function that raises the right IntegrationError for an answer that is no success.

    ``message``: JMESPath of the provider's own error text; ``fields``: reads reasons per field
    from a 4xx; ``retry_after``: seconds to wait, where the provider has a header of its own.
    """
    read_wait = retry_after or standard_retry_after

    def classify(response: Response) -> None:
        if 200 <= response.status < 300:
            return
        text = _message(response, message)
        said = f"The provider answered {response.status}" + (f": {text}" if text else ".")
        raise _error(response, said)

    def _error(response: Response, said: str) -> IntegrationError:
        status = response.status
        if status == 429:
            return RateLimited(said, status=status, retry_after=read_wait(response))
        if status in auth:
            return AuthError(said, status=status, hint="Reconnect the integration with a valid credential.")
        if status in transient or status >= 500:
            return TransientError(said, status=status, retry_after=read_wait(response))
        if status in (400, 422) and fields and (reasons := fields(response)):
            return Rejected(said, fields=reasons, status=status)
        if 300 <= status < 400:
            return PermanentError(said + " Redirects to elsewhere are not followed.", status=status)
        return PermanentError(said, status=status)

    return classify


def receiver_classifier(
    *, gone: str, look: str, auth: frozenset[int] = frozenset(), final: Container[int] = ()
) -> Callable[[Response], None]:
    """Return what reads the answers of somebody who receives webhooks (Standard Webhooks' table of answers).

    410 is the last word, and ``gone`` says what to do then; so is an answer among ``final``. Whatever
    else is refused may pass at a later try; ``look`` says where the reason may stand.
    """
    by_status = classifier(auth=auth)

    def classify(response: Response) -> None:
        try:
            by_status(response)
        except PermanentError as error:
            raise _refined(error, response.status) from None

    def _refined(error: PermanentError, status: int) -> IntegrationError:
        if status == 410:
            return PermanentError(error.message, status=status, hint=gone)
        if status in final:
            return error
        return TransientError(error.message, status=status, hint=look)

    return classify


def standard_retry_after(response: Response) -> float | None:
    """Seconds from ``Retry-After`` (RFC 9110 §10.2.3: a number or a date), or None."""
    value = response.headers.get("retry-after", "").strip()
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None


def _message(response: Response, expression: str) -> str:
    try:
        body = response.json()
    except ValueError:
        return cut(response.text, 300)
    found = jmespath.search(expression, body) if expression else None
    if isinstance(found, list):
        found = "; ".join(str(entry) for entry in found)
    return cut(str(found), 500) if found else cut(response.text, 300)


classify_by_status = classifier(message="error.message || message || error_description || error || detail")
