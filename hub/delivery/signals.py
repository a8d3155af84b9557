"""Facts that other slices may want to know of."""

from django.dispatch import Signal

#: Sent after commit with ``settled``: a list of ``hub.delivery.store.Settlement``.
queue_items_settled = Signal()

#: Sent by a worker every ten seconds where there is something to tell, with ``waited``: milliseconds by
#: ``Integration`` that its due items waited for a permit of the limits in force.
rate_limits_waited = Signal()

#: Sent with ``integration`` and ``reason`` after an automatic change of its state.
integration_state_changed = Signal()
