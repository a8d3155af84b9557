"""Applies the parts of a document that say what goes where: mappings, event types and routes."""

from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from pydantic import BaseModel

from hub.config.document import EventTypeEntry, FallbackEntry, MappingEntry, RouteEntry
from hub.config.snapshot import event_type_snapshot, mapping_snapshot, route_snapshot
from hub.config.work import Work, merged
from hub.delivery.models import Priority
from hub.events.models import EventType, Route, RouteFallback
from hub.events.routing import filter_problem, pattern_problem
from hub.mapping.engine import validate_rules
from hub.mapping.models import FieldMapping
from integrations.base.capabilities import CAPABILITIES
from integrations.base.registry import get_provider, providers

Place = tuple[str | int, ...]


def apply_mapping(work: Work, index: int, entry: MappingEntry) -> None:
    """Make or change one field mapping."""
    at = ("mappings", index)
    row = work.organization.mappings.filter(slug=entry.slug).first()
    before = mapping_snapshot(row) if row else None
    wanted = merged(before, entry.model_dump(mode="json", exclude_unset=True))
    model = _input_model(work, at, wanted.get("provider", ""), wanted.get("action", ""))
    for problem in validate_rules(wanted.get("rules", []), model):
        steps = ("rules", problem.rule - 1) if problem.rule else ("rules",)
        work.wrong(str(problem), *at, *steps)
    if work.mistakes or before == wanted:
        return
    row = row or FieldMapping(organization=work.organization, slug=entry.slug)
    row.name = wanted.get("name") or entry.slug
    row.provider_slug, row.action = wanted.get("provider", ""), wanted.get("action", "")
    row.rules = wanted.get("rules", [])
    row.said_by(None, "From a configuration file").save()
    work.report.note("mapping", entry.slug, before, mapping_snapshot(row))


def apply_event_type(work: Work, index: int, entry: EventTypeEntry) -> None:
    """Make or change one registered event type."""
    at = ("event_types", index)
    row = work.organization.event_types.filter(name=entry.name).first()
    before = event_type_snapshot(row) if row else None
    wanted = merged(before, entry.model_dump(mode="json", exclude_unset=True, by_alias=True))
    _check_schema(work, at, wanted.get("schema"), wanted.get("example"))
    if work.mistakes or before == wanted:
        return
    row = row or EventType(organization=work.organization, name=entry.name)
    for name in ("description", "on_invalid", "schema", "example"):
        if name in wanted:
            setattr(row, name, wanted[name])
    row.save()
    work.report.note("event type", entry.name, before, event_type_snapshot(row))


def apply_route(work: Work, index: int, entry: RouteEntry) -> None:
    """Make or change one route with its fallbacks."""
    at = ("routes", index)
    row = work.organization.routes.filter(slug=entry.slug).first()
    before = route_snapshot(row) if row else None
    wanted = merged(before, entry.model_dump(mode="json", exclude_unset=True))
    targets: list[tuple[Place, FallbackEntry]] = [(at, FallbackEntry.model_validate(_target(wanted)))]
    targets += [((*at, "fallbacks", position), each) for position, each in enumerate(entry.fallbacks)]
    # All are checked, so that each mistake is told.
    known = [_is_known(work, steps, target) for steps, target in targets]
    for name, problem in (
        ("events", pattern_problem(entry.events)),
        ("filter", filter_problem(entry.filter)),
    ):
        if problem:
            work.wrong(problem, *at, name)
    if work.mistakes or not all(known) or before == wanted:
        return
    row = _save_route(work, row or Route(organization=work.organization, slug=entry.slug), wanted)
    work.report.note("route", entry.slug, before, route_snapshot(row))


def _input_model(work: Work, at: Place, provider: str, action: str) -> type[BaseModel] | None:
    if provider and not work.one_of("provider", provider, providers(), *at, "provider"):
        return None
    if not provider:
        return CAPABILITIES.get(action)
    actions = {declared.name: declared for declared in get_provider(provider).actions}
    if not action or not work.one_of("action", action, actions, *at, "action"):
        return None
    return actions[action].input


def _check_schema(work: Work, at: Place, schema: Any, example: Any) -> None:
    if schema is None:
        return
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        work.wrong(f"this is no valid JSON Schema: {error.message}", *at, "schema")
        return
    if example is None:
        return
    for misfit in Draft202012Validator(schema).iter_errors(example):
        work.wrong(f"the example does not fit the schema: {misfit.message}", *at, "example", *misfit.path)


def _target(wanted: dict[str, Any]) -> dict[str, Any]:
    return {name: wanted.get(name) for name in ("integration", "action", "mapping")}


def _is_known(work: Work, at: Place, target: FallbackEntry) -> bool:
    integration = work.integration(target.integration, *at, "integration")
    good = integration is not None
    if integration is not None:
        actions = (action.name for action in integration.provider.actions)
        good = work.one_of("action", target.action, actions, *at, "action")
    if target.mapping:
        slugs = work.organization.mappings.values_list("slug", flat=True)
        good = work.one_of("mapping", target.mapping, slugs, *at, "mapping") and good
    return good


def _save_route(work: Work, row: Route, wanted: dict[str, Any]) -> Route:
    row.name = wanted.get("name") or row.slug
    row.type_pattern, row.filter = wanted["events"], wanted.get("filter", "")
    row.priority = Priority[wanted.get("priority", "normal").upper()]
    row.purpose, row.delay = wanted.get("purpose", ""), wanted.get("delay", 0)
    row.ordered = wanted.get("ordered", False)
    row.enabled = wanted.get("enabled", True)
    for name, value in _rows_of(work, wanted).items():
        setattr(row, name, value)
    row.save()
    row.fallbacks.all().delete()
    for position, fallback in enumerate(wanted.get("fallbacks", []), 1):
        RouteFallback.objects.create(route=row, position=position, **_rows_of(work, fallback))
    return row


def _rows_of(work: Work, target: dict[str, Any]) -> dict[str, Any]:
    mapping = target.get("mapping")
    return {
        "integration": work.organization.integrations.get(slug=target["integration"]),
        "action": target["action"],
        "mapping": work.organization.mappings.get(slug=mapping) if mapping else None,
    }
