from importlib import import_module

from django.apps import AppConfig
from django.utils.module_loading import import_string

from hub.delivery.jobs import register_scheduled_job
from hub.delivery.sources import register_source

#: As often as the pruning of items; see hub.delivery.pruning.
SLICE_EVERY = 15.0


class EventsConfig(AppConfig):
    name = "hub.events"
    label = "events"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Tell delivery how events are loaded, and the scheduler when they go; hear what the hub must say."""
        finder = import_module("hub.events.search")
        register_source("event", import_string("hub.events.envelopes.load_envelopes"), finder)
        import_string("hub.events.alerts.register")()
        register_scheduled_job(
            "prune events", SLICE_EVERY, import_string("hub.events.retention.prune_slice"), apart=True
        )
