"""Makes queue items, unsaved: whoever accepts something saves them in its own transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from hub.delivery.models import QueueItem


@dataclass(frozen=True, slots=True)
class Target:
    """One stop of a delivery's way: an integration, what it shall do, and the mapping to it."""

    integration_id: UUID
    action: str
    mapping_id: int | None = None

    def as_json(self) -> dict[str, object]:
        """The form kept in ``QueueItem.targets``."""
        return {"integration": str(self.integration_id), "action": self.action, "mapping": self.mapping_id}


def new_item(
    *,
    organization_id: int,
    targets: Sequence[Target],
    source_type: str,
    source_id: UUID,
    due_at: datetime,
    priority: int = 0,
    route_id: UUID | None = None,
    label: str = "",
    subject: str = "",
    replay_of_id: UUID | None = None,
    sequence: UUID | None = None,
) -> QueueItem:
    """Return an unsaved item for the first of ``targets``; the others are its fallbacks, in order."""
    first = targets[0]
    return QueueItem(
        organization_id=organization_id,
        integration_id=first.integration_id,
        action=first.action,
        mapping_id=first.mapping_id,
        targets=[target.as_json() for target in targets] if len(targets) > 1 else [],
        source_type=source_type,
        source_id=source_id,
        route_id=route_id,
        label=label[:200],
        subject=subject[:200],
        priority=priority,
        due_at=due_at,
        claim_order=QueueItem.order(due_at, priority),
        replay_of_id=replay_of_id,
        sequence=sequence,
    )
