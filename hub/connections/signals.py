"""Facts about connections that slices above may want to know of."""

from django.dispatch import Signal

#: Sent with ``integration``, ``outcome`` (``hub.connections.check.TestOutcome``) and ``exchanges``.
connection_tested = Signal()

#: Sent with ``integration_id``, ``error`` (None: it worked), ``exchanges`` and ``latency_ms`` after a
#: request for an access token, outside any transaction.
token_renewed = Signal()

#: Sent with ``integration`` and ``message`` (who did what, for the log) after somebody changed its state or
#: its connection by hand.
changed_by_hand = Signal()

#: Sent with ``integration``, ``days`` (before the end; 0: it has ended), ``ends`` (the day, in the hub's time
#: zone) and ``message``, once for each step.
credential_expiring = Signal()

#: Sent with ``integration`` after commit, when one that the hub itself had held (credential refused, circuit
#: open) was let flow by a person: by reconnecting, a test that passed, or *Resume*.
released = Signal()
