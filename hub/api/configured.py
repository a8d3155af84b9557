"""What the views of configuration have in common: integrations, mappings, routes, webhook endpoints.

They write through ``hub.config``, like a configuration file and with the same checks. A change names
the version it means (``If-Match``) and is a JSON Merge Patch (RFC 7396): what it leaves out stays, null
brings back the default.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, ClassVar

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from pydantic import Field, create_model
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from hub.accounts.models import Organization, Scope
from hub.api.base import HubView, as_uuid
from hub.api.bodies import held_against, read_object, require_json
from hub.api.conditional import etag, require_match
from hub.api.pagination import as_number, only_known, page
from hub.api.problems import Conflict, FieldProblem
from hub.config.document import ConfigError, Entry
from hub.config.single import save_entry

#: Objects that a patch is laid over, entry by entry; everything else is one value.
BAGS = ("settings", "limits")


class ConfiguredView(HubView, ABC):
    """One kind of configured thing: how it is found, shown and written."""

    required_scope: Any = {
        "GET": Scope.CONFIG_READ,
        "POST": Scope.CONFIG_WRITE,
        "PATCH": Scope.CONFIG_WRITE,
        "DELETE": Scope.CONFIG_WRITE,
    }
    versioned_answers = True
    #: The document's section, and what one of its things is called.
    section: ClassVar[str]
    kind: ClassVar[str]
    #: What may be written; a field ``credential`` is for secrets.
    form: ClassVar[type[Entry]]
    #: The document's entry that is made of it.
    entry: ClassVar[type[Entry]]
    relations: ClassVar[tuple[str, ...]] = ()
    #: What a page of rows reads of all of them at once.
    several: ClassVar[tuple[str, ...]] = ()

    def rows(self) -> QuerySet[Any]:
        """The organization's rows."""
        own = getattr(self.organization, self.section)
        rows: QuerySet[Any] = own.listed() if hasattr(own, "listed") else own.all()
        return rows.select_related(*self.relations)

    @abstractmethod
    def written(self, row: Any) -> dict[str, Any]:
        """Return what of ``row`` may be written, as the document has it."""

    @abstractmethod
    def facts(self, row: Any) -> dict[str, Any]:
        """Return ``row`` as it is shown."""

    def versioned(self, row: Any) -> dict[str, Any]:
        """Return what the version of ``row`` is made of: all that is shown and configured."""
        return self.facts(row)

    def find(self, named: str) -> Any:
        """Return the row with this slug, or id where it has one; raise NotFound."""
        found = self.rows().filter(slug=named).first()
        if found is None and (key := self._key(named)):
            found = self.rows().filter(pk=key).first()
        if found is None:
            raise NotFound(f"There is no {self.kind} {named!r} in this organization.")
        return found

    def save(self, wanted: Mapping[str, Any]) -> Any:
        """Write what is ``wanted`` through the configuration's own checks, and return the row."""
        form = held_against(self.form, wanted)
        secrets = getattr(form, "credential", None)
        # Of a form only what the document knows: an entry is held against its own declaration.
        data = form.model_dump(mode="json", exclude_unset=True, exclude={"credential"})
        entry = held_against(
            self.entry, {name: value for name, value in data.items() if name in self.entry.model_fields}
        )
        try:
            save_entry(self.organization, self.section, entry, secrets)
        except ConfigError as error:
            raise config_problem(error) from None
        except IntegrityError:
            raise Conflict(f"Somebody is changing this {self.kind} at this moment; try again.") from None
        return self.rows().get(slug=wanted["slug"])

    def answer(self, row: Any, status: int = 200, **extra: Any) -> Response:
        """Answer with ``row`` and its version; ``extra`` is told this once."""
        return Response({**self.facts(row), **extra}, status, headers={"ETag": etag(self.versioned(row))})

    def _key(self, named: str) -> Any:
        """Return ``named`` as a primary key of these rows, or None where it cannot be one."""
        if self.rows().model._meta.pk.get_internal_type() == "UUIDField":
            return as_uuid(named)
        return as_number(named)


class ConfiguredList(ConfiguredView):
    """Lists and makes."""

    def listed(self, request: Request, **filters: str) -> Response:
        """Return a page, newest first; ``filters``: parameter → column that must be equal to it."""
        only_known(request, *filters)
        given = request.query_params
        wanted = {column: given[name] for name, column in filters.items() if name in given}
        rows = self.rows().filter(**wanted).prefetch_related(*self.several)
        return page(request, rows, self.facts)

    def made(self) -> tuple[Any, dict[str, Any]]:
        """Make what the body describes; return the row and the body."""
        wanted = self.body(self.form).model_dump(mode="json", exclude_unset=True)
        with transaction.atomic():
            lock(self.organization)
            if self.rows().filter(slug=wanted["slug"]).exists():
                article = "an" if self.kind[0] in "aeiou" else "a"
                message = f"There is {article} {self.kind} {wanted['slug']!r} already; change it with PATCH."
                raise Conflict(message)
            return self.save(wanted), wanted

    def created(self, row: Any, **extra: Any) -> Response:
        """Answer 201 with the address of ``row``."""
        response = self.answer(row, 201, **extra)
        response.headers["Location"] = f"{self.request.path}/{row.slug}"
        return response


class ConfiguredOne(ConfiguredView):
    """Shows, changes and deletes."""

    http_method_names = ["get", "head", "patch", "delete"]

    def patched(self, named: str, after: Callable[[Any, Mapping[str, Any]], None] | None = None) -> Response:
        """Lay the body over the row, and answer with it; ``after`` (row, patch) does what no document can."""
        row = self.find(named)
        require_json(self.request)
        require_match(self.request, self.versioned(row))
        patch = read_object(self.raw_body)
        held_against(partial(self.form), patch)
        if patch.get("slug", row.slug) != row.slug:
            raise FieldProblem([("slug", "'slug' stays as it is: files and other systems know it.")])
        with transaction.atomic():
            lock(self.organization)
            row = self.find(named)
            require_match(self.request, self.versioned(row))
            row = self.save(merge_patch(self.form, self.written(row), patch))
            if after is not None:
                after(row, patch)
        return self.answer(row)

    def removed(self, named: str) -> Response:
        """Delete the row, unless something needs it."""
        row = self.find(named)
        require_match(self.request, self.versioned(row))
        with transaction.atomic():
            lock(self.organization)
            row = self.find(named)
            require_match(self.request, self.versioned(row))
            if users := self.users_of(row):
                names = ", ".join(users[:10]) + ("…" if len(users) > 10 else "")
                raise Conflict(
                    f"{self.kind.capitalize()} {row.slug!r} is used by {names}; change that first."
                )
            row.delete()
        return Response(status=204)

    def users_of(self, row: Any) -> list[str]:
        """Return the names of what would break or vanish with ``row``."""
        return []


@lru_cache(maxsize=16)
def partial(form: type[Entry]) -> type[Entry]:
    """Return ``form`` as a merge patch of it: nothing is needed, and null brings back the default."""
    fields: dict[str, Any] = {
        name: (field.rebuild_annotation() | None, Field(None, description=field.description))
        for name, field in form.model_fields.items()
    }
    name = form.__name__.removesuffix("In") + "Patch"
    made: type[Entry] = create_model(name, __base__=Entry, __doc__=form.__doc__, **fields)
    return made


def merge_patch(form: type[Entry], before: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """Lay ``patch`` over ``before``; settings and limits go value by value, where null is the default too."""
    result = dict(before)
    for name, value in patch.items():
        old = before.get(name) or {}
        if name in BAGS:
            result[name] = {**old, **(dict.fromkeys(old) if value is None else value)}
        elif value is not None:
            result[name] = value
        elif form.model_fields[name].is_required():
            del result[name]  # and is missed
        else:
            default = form.model_fields[name].get_default(call_default_factory=True)
            result[name] = before["slug"] if name == "name" else default
    return result


def lock(organization: Organization) -> None:
    """Let changes of one organization's configuration go one after the other, in this transaction."""
    Organization.objects.select_for_update().get(pk=organization.pk)


def config_problem(error: ConfigError) -> FieldProblem:
    """Return the mistakes of a document as a problem of the API."""
    return FieldProblem(
        [(one.place, f"{one.message[:1].upper()}{one.message[1:].rstrip('.')}.") for one in error.mistakes]
    )


def names_of(rows: QuerySet[Any], kind: str) -> list[str]:
    """Return rows in words, for a sentence that says what is in the way."""
    return [f"the {kind} {slug!r}" for slug in rows.values_list("slug", flat=True)[:11]]
