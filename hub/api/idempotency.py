"""``Idempotency-Key``: a POST that is sent again is answered again, and done once.

The first call notes the key before it does anything and, in the same commit as what it did, the
answer. Only what was done is kept: a call that was refused may be sent again, mended, with its key.
Events have keys of their own, which need no row here (``hub.events.intake``).
"""

import hashlib
import re
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from typing import Any

import orjson
from django.db import IntegrityError, transaction
from django.utils import timezone
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from hub.api.models import IdempotentCall
from hub.api.problems import Conflict, FieldProblem
from hub.delivery.pruning import prune_rows

HEADER = "Idempotency-Key"
#: How long an answer is kept.
KEPT = timedelta(hours=24)
#: A call that has no answer after this long was cut off; its key may be used again.
LONGEST_CALL = timedelta(minutes=10)
KEPT_HEADERS = ("Location", "ETag")
_KEY = re.compile(r"[\x21-\x7e][\x20-\x7e]{0,254}")
_ATTEMPTS = 3


def once(
    organization_id: int, key: str, request: Request, body: bytes, *, one_commit: bool
) -> Callable[[Callable[[], Response]], Response]:
    """Return what runs a call once: with its answer where the key was seen before, else by calling.

    ``one_commit``: the call does nothing but write to the database, so that it and its answer are
    kept together or not at all. Raises FieldProblem (a bad key, or one of another call) and Conflict.
    """
    if not _KEY.fullmatch(key):
        raise FieldProblem([(HEADER, f"'{HEADER}' has 1 to 255 printable ASCII characters.")])
    fingerprint = _fingerprint(request, body)

    def run(call: Callable[[], Response]) -> Response:
        row = _begin(organization_id, key, fingerprint)
        if row.answer is not None:
            return _again(row.answer)
        together: AbstractContextManager[Any] = transaction.atomic() if one_commit else nullcontext()
        try:
            with together:
                response = call()
                _keep(row, response)
        except BaseException:
            IdempotentCall.objects.filter(pk=row.pk, started_at=row.started_at).delete()
            raise
        return response

    return run


def prune() -> int:
    """Remove answers past their time; return how many."""
    return prune_rows(IdempotentCall.objects.filter(started_at__lt=timezone.now() - KEPT))


def _fingerprint(request: Request, body: bytes) -> str:
    kind = request.META.get("CONTENT_TYPE", "")
    head = f"{request.method} {request.get_full_path()} {kind}\n".encode()
    return hashlib.sha256(head + body).hexdigest()


def _begin(organization_id: int, key: str, fingerprint: str) -> IdempotentCall:
    """Return the row of this call: new, or with the answer that was given."""
    for _ in range(_ATTEMPTS):
        row = IdempotentCall(
            organization_id=organization_id, key=key, fingerprint=fingerprint, started_at=timezone.now()
        )
        try:
            with transaction.atomic():
                row.save(force_insert=True)
            return row
        except IntegrityError:
            found = IdempotentCall.objects.filter(organization_id=organization_id, key=key).first()
        if found is None:
            continue
        age = timezone.now() - found.started_at
        if age > KEPT or (found.answer is None and age > LONGEST_CALL):
            IdempotentCall.objects.filter(pk=found.pk, started_at=found.started_at).delete()
            continue
        if found.fingerprint != fingerprint:
            message = f"'{HEADER}' {key!r} was sent with another call already; make a new key for this one."
            raise FieldProblem([(HEADER, message)], status=422)
        if found.answer is not None:
            return found
        break
    raise Conflict(f"The call with this {HEADER} is still under way; ask again in a moment.", wait=1)


def _keep(row: IdempotentCall, response: Response) -> None:
    headers = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
    body = JSONRenderer().render(response.data).decode()
    row.answer = {"status": response.status_code, "headers": headers, "body": body}
    row.save(update_fields=["answer"])


def _again(answer: dict[str, Any]) -> Response:
    body = orjson.loads(answer["body"]) if answer["body"] else None
    return Response(body, answer["status"], headers={**answer["headers"], "Idempotency-Replayed": "true"})
