"""Facts that other slices may want to know of."""

from django.dispatch import Signal

#: Sent after commit with ``settled``: a list of ``hub.delivery.store.Settlement``.
queue_items_settled = Signal()

#: Sent with ``integration`` and ``reason`` after an automatic change of its state.
integration_state_changed = Signal()
