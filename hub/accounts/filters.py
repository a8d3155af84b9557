"""Filters of lists, offering only what belongs to the user's organizations."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import DropdownFilter

from hub.accounts.access import listed, organizations_for


class ScopedFilter(DropdownFilter):
    """A drop-down over a foreign key to rows that belong to organizations. Subclass per relation.

    ``columns`` are those that a row's name is made of: a list offers hundreds of rows.
    """

    model: type[Model]
    columns: tuple[str, ...]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        rows = listed(self.model).filter(organization__in=organizations_for(request.user))
        return [(str(row.pk), str(row)) for row in rows.only(*self.columns)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Narrow to the chosen row, also to one that is not offered: ``queryset`` is the user's own."""
        value = self.value()
        try:
            return queryset.filter(**{self.parameter_name: value}) if value else queryset
        except (ValidationError, ValueError):
            return queryset


class TextChoicesFilter(DropdownFilter):
    """A drop-down over the choices of one column. Subclass with ``parameter_name`` and ``options``."""

    options: list[tuple[str, str]] = []

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return self.options

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return queryset.filter(**{self.parameter_name: value}) if value else queryset
