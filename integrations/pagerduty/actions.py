"""Events API v2: alerts and changes. The key that joins events to one alert is the ``dedup_key``."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import Field

from integrations.base.capabilities import IncidentTrigger, IncidentUpdate, Input, OneLine
from integrations.base.errors import Rejected
from integrations.base.provider import Context, action
from integrations.base.responses import json_of
from integrations.base.results import Result
from integrations.pagerduty.client import host

#: Bytes of one event (Events API v2).
MAX_EVENT = 512 * 1024


class Change(Input):
    """Something was changed on purpose: a deployment, a setting."""

    summary: OneLine = Field(min_length=1, max_length=1024, description="What was changed, in one line.")
    source: str = Field("", max_length=255, description="The system that was changed.")
    timestamp: str = Field("", description="When, ISO 8601; left out, now.")
    details: dict[str, Any] = Field(default_factory=dict, description="Anything that helps, by name.")
    link: str = Field("", max_length=2000, description="Web address with more about it.")


@action("incident.trigger", "Trigger an incident", IncidentTrigger, capability=True)
def trigger(ctx: Context, data: IncidentTrigger) -> Result:
    """Open an alert; further triggers with the same key join it. Without a key, each event is its own."""
    payload = {
        "summary": data.summary,
        "source": data.source,
        "severity": data.severity,
        "component": data.component,
        "group": data.group,
        "custom_details": data.details,
    }
    event = {"payload": _filled(payload), "links": _links(data.link)}
    # PagerDuty takes keys of up to 255 characters; the hub's own are UUIDs.
    return _enqueue(ctx, "trigger", data.dedup_key or ctx.idempotency_key[:255], event)


@action("incident.acknowledge", "Acknowledge an incident", IncidentUpdate, capability=True)
def acknowledge(ctx: Context, data: IncidentUpdate) -> Result:
    """Say that somebody is on it. PagerDuty takes the key alone: summary and details stay behind."""
    return _enqueue(ctx, "acknowledge", data.dedup_key, {})


@action("incident.resolve", "Resolve an incident", IncidentUpdate, capability=True)
def resolve(ctx: Context, data: IncidentUpdate) -> Result:
    """Say that it is over. PagerDuty takes the key alone: summary and details stay behind."""
    return _enqueue(ctx, "resolve", data.dedup_key, {})


@action("pagerduty.change", "Record a change", Change)
def record_change(ctx: Context, data: Change) -> Result:
    """Put a change on the service's timeline; nobody is called."""
    payload = {
        "summary": data.summary,
        "timestamp": data.timestamp or ctx.now.isoformat(),
        "source": data.source,
        "custom_details": data.details,
    }
    _post(ctx, "/v2/change/enqueue", {"payload": _filled(payload), "links": _links(data.link)})
    return Result(message="The change is on the service's timeline.")


def prove_routing_key(ctx: Context) -> Result:
    """Record a change event, which alarms nobody: there is no other way to try an integration key."""
    record_change.run(ctx, Change(summary="Connection test of Interchange", source="interchange"))
    return Result(message="PagerDuty took a change event under this integration key.")


def _enqueue(ctx: Context, event_action: str, dedup_key: str, event: Mapping[str, Any]) -> Result:
    answer = _post(ctx, "/v2/enqueue", {"event_action": event_action, "dedup_key": dedup_key, **event})
    key = str(answer.get("dedup_key") or dedup_key)
    return Result(external_id=key, data={"dedup_key": key}, message=str(answer.get("message", "")))


def _post(ctx: Context, path: str, event: Mapping[str, Any]) -> Mapping[str, Any]:
    body = _filled({"routing_key": ctx.secrets["routing_key"], **event})
    size = len(json.dumps(body, ensure_ascii=False).encode())
    if size > MAX_EVENT:
        raise Rejected(
            f"The event is {size} bytes; PagerDuty takes {MAX_EVENT}.", fields={"details": "is too large"}
        )
    response = ctx.http.post(path, host=host(ctx, "events"), json=body, auth=False)
    answer = json_of(response)
    return answer if isinstance(answer, dict) else {}


def _links(link: str) -> list[dict[str, str]]:
    return [{"href": link, "text": "More"}] if link else []


def _filled(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in ("", {}, [])}
