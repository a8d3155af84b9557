"""Plan and apply a document. A plan is an application that is taken back, so that both always agree."""

import os
from collections.abc import Callable, Mapping
from typing import Any

from django.db import transaction

from hub.accounts.models import Organization
from hub.config.changes import Change, Report
from hub.config.connecting import apply_endpoint, apply_integration
from hub.config.directing import apply_event_type, apply_mapping, apply_route
from hub.config.document import NAMED, SECTIONS, ConfigError, Document
from hub.config.syncing import apply_record_type, apply_sync
from hub.config.work import Work

#: In the order of making; what refers to something comes after it.
PARTS: dict[str, Callable[[Work, int, Any], None]] = {
    "integrations": apply_integration,
    "mappings": apply_mapping,
    "event_types": apply_event_type,
    "routes": apply_route,
    "webhook_endpoints": apply_endpoint,
    "record_types": apply_record_type,
    "syncs": apply_sync,
}
NAMES = {
    "integrations": "integration",
    "mappings": "mapping",
    "event_types": "event type",
    "routes": "route",
    "webhook_endpoints": "webhook endpoint",
    "record_types": "record type",
    "syncs": "sync",
}


class _TakenBack(Exception):
    """Ends the transaction of a plan without keeping anything."""


def plan(document: Document, *, prune: bool = False, environ: Mapping[str, str] | None = None) -> Report:
    """Return what ``apply`` would change; raise ConfigError where it could not. Nothing is kept."""
    report = Report()
    try:
        with transaction.atomic():
            report = _work(document, prune, environ)
            raise _TakenBack
    except _TakenBack:
        return report


def apply(document: Document, *, prune: bool = False, environ: Mapping[str, str] | None = None) -> Report:
    """Bring the organization to what ``document`` says, all or nothing; return what was changed.

    ``prune`` also deletes what the document does not mention. Raises ConfigError naming every mistake.
    """
    with transaction.atomic():
        return _work(document, prune, environ)


def _work(document: Document, prune: bool, environ: Mapping[str, str] | None) -> Report:
    organization, made = _organization(document)
    work = Work(organization, os.environ if environ is None else environ)
    work.report.changes += made
    for section, part in PARTS.items():
        for index, entry in enumerate(getattr(document, section)):
            _try(work, section, part, index, entry)
    if work.mistakes:
        raise ConfigError(work.mistakes)
    if prune:
        _prune(work, document)
    return work.report


def _try(work: Work, section: str, part: Callable[[Work, int, Any], None], index: int, entry: Any) -> None:
    """Run one part with a clean slate of mistakes, so that one wrong entry hides no other."""
    earlier, work.mistakes = work.mistakes, []
    part(work, index, entry)
    if work.mistakes:
        work.failed.add((NAMES[section], str(getattr(entry, "slug", "") or getattr(entry, "name", ""))))
    work.mistakes = [*earlier, *work.mistakes]


def _organization(document: Document) -> tuple[Organization, list[Change]]:
    entry = document.organization
    existing = Organization.objects.filter(slug=entry.slug).first()
    report = Report()
    if existing is None:
        name = entry.name or entry.slug
        existing = Organization.objects.create(slug=entry.slug, name=name)
        report.note("organization", entry.slug, None, {"name": name})
    elif entry.name and entry.name != existing.name:
        report.note("organization", entry.slug, {"name": existing.name}, {"name": entry.name})
        existing.name = entry.name
        existing.save()
    return existing, report.changes


def _prune(work: Work, document: Document) -> None:
    """Delete what the file does not mention, what refers to something before what it refers to."""
    for section in reversed(SECTIONS):
        key = "name" if section in NAMED else "slug"
        kept = {getattr(entry, key) for entry in getattr(document, section)}
        rows = getattr(work.organization, section)
        rows = rows.listed() if hasattr(rows, "listed") else rows
        for row in rows.exclude(**{f"{key}__in": kept}).order_by(key):
            if section == "record_types" and row.records.exists():
                continue  # records are data, not configuration: nobody loses them by a line that is missing
            lines = ("with its credential, queue and log",) if section == "integrations" else ()
            work.report.changes.append(Change("delete", NAMES[section], getattr(row, key), lines))
            row.delete()
