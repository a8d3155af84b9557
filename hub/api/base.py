"""What every view of the API has in common."""

from functools import cached_property
from typing import Any, TypeVar, cast
from uuid import UUID

from django.conf import settings
from django.db.models import Model, Q, QuerySet
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from hub.accounts.models import APIKey, Organization
from hub.api.authentication import demand
from hub.api.bodies import Form, held_against, read_object, require_json
from hub.api.idempotency import once
from hub.api.people import Person
from hub.api.problems import FieldProblem
from hub.connections.models import Integration
from hub.lib.inbound import read_body
from hub.lib.throttle import take

Row = TypeVar("Row", bound=Model)


class KeyThrottle(BaseThrottle):
    """So many calls a minute per API key; 0 in the settings lifts the limit."""

    def __init__(self) -> None:
        self._wait = 0

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Count the call; whether it may go on."""
        if isinstance(request.auth, APIKey | Person):
            self._wait = count_call(request.auth)
        return not self._wait

    def wait(self) -> float:
        """Seconds until the next call is taken."""
        return self._wait


class HubView(APIView):
    """A view that an organization's application calls; it sees that organization only."""

    http_method_names = ["get", "head", "post"]
    throttle_classes = [KeyThrottle]
    required_scope: Any = ""
    #: Bytes that a body may have.
    body_bytes = 1024 * 1024
    #: Whether a POST does nothing but write to the database: then it and the answer that is kept for its
    #: Idempotency-Key are one commit. A view that talks to a provider meanwhile says False.
    one_commit = True
    #: Whether its answers carry an ETag.
    versioned_answers = False
    #: Whether a POST's body is read as it comes in, and not as a whole.
    streams = False

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Admit the call; refuse what no database can look for; do a POST once per Idempotency-Key."""
        super().initial(request, *args, **kwargs)
        asked = (text for name, values in request.query_params.lists() for text in (name, *values))
        if any("\x00" in text for text in (*kwargs.values(), *asked)):
            raise FieldProblem([("", "The address holds the character NUL, which nothing here has.")])
        key = request.META.get("HTTP_IDEMPOTENCY_KEY")
        if request.method == "POST" and key is not None:
            self._do_once(request, key)

    @cached_property
    def raw_body(self) -> bytes:
        """The bytes that were sent; raise BodyTooLarge."""
        return read_body(self.request._request, self.body_bytes)

    def body(self, form: type[Form]) -> Form:
        """Return the body as ``form``; raise what is wrong with it."""
        require_json(self.request)
        return held_against(form, read_object(self.raw_body))

    def demand(self, scope: str) -> None:
        """Raise PermissionDenied unless the caller has ``scope``, for what goes beyond the view's own."""
        demand(cast(APIKey, self.request.auth), scope)

    @property
    def organization(self) -> Organization:
        """The caller's organization."""
        return self.request.user.organization  # type: ignore[union-attr]

    def _do_once(self, request: Request, key: str) -> None:
        """Let this call's ``post`` answer from memory where it was done before."""
        call: Any = getattr(self, "post", None)
        if call is None:
            return
        body = b"" if self.streams else self.raw_body
        run = once(self.organization.pk, key, request, body, one_commit=self.one_commit)
        vars(self)["post"] = lambda *args, **kwargs: run(lambda: call(*args, **kwargs))

    def integration(self, named: str) -> Integration:
        """Return the integration with this slug or id; raise NotFound, also for another tenant's."""
        wanted = Q(slug=named)
        if (identifier := as_uuid(named)) is not None:
            wanted |= Q(pk=identifier)
        rows = Integration.objects.listed().select_related("organization")
        found = rows.filter(wanted, organization=self.organization)
        # A slug may look like another integration's id; the slug is what an admin chose.
        best = sorted(found, key=lambda row: row.slug != named)
        if not best:
            raise NotFound(f"There is no integration {named!r} in this organization.")
        return best[0]


def count_call(key: APIKey | Person) -> int:
    """Count one call with ``key``, or by a person; return 0, or the seconds until the next one is taken."""
    limit = settings.HUB.api_rate_per_minute
    return take("api", limit, str(key.pk)) if limit else 0


def row_of(rows: QuerySet[Row], named: str, kind: str) -> Row:
    """Return the row with this id of an organization's ``rows``; raise NotFound."""
    identifier = as_uuid(named)
    found = rows.filter(pk=identifier).first() if identifier else None
    if found is None:
        raise NotFound(f"There is no {kind} {named!r} in this organization.")
    return found


def as_uuid(text: str) -> UUID | None:
    """Return the UUID that ``text`` is, or None."""
    try:
        return UUID(text)
    except ValueError:
        return None
