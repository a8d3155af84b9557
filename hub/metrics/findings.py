"""What a day says about an organization: figures and problems gathered, told in plain sentences."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from hub.accounts.models import Organization
from hub.connections.models import Circuit, Status
from hub.delivery.models import IntegrationLog, LogKind
from hub.lib.sentences import plural
from hub.metrics.figures import Tally, tallies
from hub.metrics.stats import Health, integration_health

#: Newest failures of the day that are looked through, and kinds of failure told per integration.
FAILURES_READ = 1_000
FAILURES_TOLD = 3


@dataclass(frozen=True, slots=True)
class Failure:
    """The same failure, ``count`` times (of the newest that were read); ``hint`` says what to do."""

    message: str
    hint: str
    count: int


@dataclass(frozen=True, slots=True)
class Finding:
    """One integration's day. Latencies in milliseconds, None without attempts."""

    integration: str
    slug: str
    name: str
    provider: str
    state: str
    succeeded: int
    attempts: int
    failed_items: int
    p50_ms: float | None
    p95_ms: float | None
    webhooks_accepted: int
    webhooks_refused: int
    good: str
    #: What happened, sentence by sentence.
    bad: list[str] = field(default_factory=list)
    #: What to do about it, sentence by sentence.
    advice: list[str] = field(default_factory=list)


def findings(organization: Organization, start: datetime, end: datetime) -> list[Finding]:
    """Return what is to be said about each integration, those that need somebody first."""
    health = integration_health([organization])
    figures = tallies([entry.integration.pk for entry in health], start, end)
    failures = _failures(organization, start, end)
    found = [
        _finding(entry, figures.get(entry.integration.pk, Tally()), failures.get(entry.integration.pk, []))
        for entry in health
    ]
    return sorted(found, key=lambda finding: (not finding.advice, not finding.bad))


def as_json(finding: Finding) -> dict[str, Any]:
    """Return what a report keeps of a finding."""
    return asdict(finding)


def _finding(health: Health, day: Tally, failures: Sequence[Failure]) -> Finding:
    integration = health.integration
    return Finding(
        integration=str(integration.pk),
        slug=integration.slug,
        name=integration.name,
        provider=integration.provider_slug,
        state=health.state,
        succeeded=day.succeeded,
        attempts=day.attempts,
        failed_items=day["failed_items"],
        p50_ms=day.latency(0.5),
        p95_ms=day.latency(0.95),
        webhooks_accepted=day["webhooks_accepted"],
        webhooks_refused=day["webhooks_refused"],
        good=_good(day),
        bad=list(_bad(day, failures)),
        advice=list(_advice(health, day, failures)),
    )


def _good(day: Tally) -> str:
    said = []
    if day.succeeded:
        p50, p95 = day.latency(0.5) or 0.0, day.latency(0.95) or 0.0
        said.append(
            f"{plural(day.succeeded, 'delivery', 'deliveries')} went through, half of the attempts within "
            f"{duration(p50)} and 95 % within {duration(p95)}."
        )
    if day["webhooks_accepted"]:
        said.append(f"{plural(day['webhooks_accepted'], 'webhook')} came in.")
    return " ".join(said)


def _bad(day: Tally, failures: Sequence[Failure]) -> Iterable[str]:
    if day.failed:
        share = day.failed / day.attempts
        percent = f"{share * 100:.1f} %".replace(".0 %", " %")
        yield f"{day.failed:,} of {plural(day.attempts, 'attempt')} failed ({percent})."
    if day["failed_items"]:
        yield f"{plural(day['failed_items'], 'delivery', 'deliveries')} failed for good."
    if day["webhooks_refused"]:
        yield f"{plural(day['webhooks_refused'], 'call')} to its webhook endpoints could not be proved."
    for failure in failures[:FAILURES_TOLD]:
        times = f" ({failure.count:,} times)" if failure.count > 1 else ""
        yield f"{failure.message.rstrip('.')}{times}."


def _advice(health: Health, day: Tally, failures: Sequence[Failure]) -> Iterable[str]:
    integration, waiting = health.integration, plural(health.queue_depth, "delivery", "deliveries")
    if integration.status == Status.RECONNECT:
        yield f"Reconnect it: its credential is refused, and {waiting} must wait until then."
    elif integration.status == Status.PAUSED and health.queue_depth:
        yield f"It is paused and holds {waiting}. Resume it when you are ready."
    elif integration.circuit == Circuit.OPEN:
        yield (
            f"The provider did not answer as it should; the hub tries again by itself and holds {waiting}. "
            "Look at the provider's status page if this lasts."
        )
    elif integration.test_ok is False:
        yield f"Its connection test fails: {_first_sentence(integration.test_message)}"
        yield "Open it, look at the credential, and test again."
    if health.failed_items:
        count = plural(health.failed_items, "delivery has", "deliveries have")
        yield f"{count} failed for good: mend the cause, then press “Retry all failed” on its page."
    if day["webhooks_refused"]:
        yield "Compare the signing secret of its webhook endpoint with the provider's."
    yield from dict.fromkeys(failure.hint for failure in failures[:FAILURES_TOLD] if failure.hint)


def _failures(organization: Organization, start: datetime, end: datetime) -> dict[UUID, list[Failure]]:
    """Return the failures of the day by integration, the most frequent first."""
    rows = (
        IntegrationLog.objects.filter(organization=organization, created_at__gte=start, created_at__lt=end)
        .exclude(outcome="ok")
        .exclude(kind=LogKind.STATE)
        .order_by("-pk")
        .values_list("integration_id", "message", "hint")[:FAILURES_READ]
    )
    counts: dict[UUID, Counter[str]] = {}
    texts: dict[tuple[UUID, str], tuple[str, str]] = {}
    for integration, message, hint in rows:
        sentence = _first_sentence(message or "It failed without a message.")
        # The same but for a number (an id, an amount, seconds) is the same failure.
        sort = re.sub(r"\d+", "#", sentence)
        counts.setdefault(integration, Counter())[sort] += 1
        texts.setdefault((integration, sort), (sentence, hint))
    return {
        integration: [Failure(*texts[integration, sort], count) for sort, count in found.most_common()]
        for integration, found in counts.items()
    }


def _first_sentence(text: str) -> str:
    """Return what happened; when the hub tries again is of no interest a day later."""
    return re.split(r"(?<=[.!?])\s+(?=[A-Z])", text.strip(), maxsplit=1)[0]


def duration(milliseconds: float) -> str:
    """Return ``120 ms`` or ``2.4 s``."""
    return f"{milliseconds:.0f} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.1f} s"
