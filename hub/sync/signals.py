"""Facts of syncs that slices above listen to."""

from django.dispatch import Signal

#: After a page was settled: run, source (the pull's name), rows (as the provider sent them), last.
page_read = Signal()
