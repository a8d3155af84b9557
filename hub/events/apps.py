from django.apps import AppConfig
from django.utils.module_loading import import_string

from hub.delivery.jobs import register_scheduled_job
from hub.delivery.sources import register_source

DAY = 24 * 3600


class EventsConfig(AppConfig):
    name = "hub.events"
    label = "events"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Tell delivery how events are loaded, and the scheduler when they go."""
        register_source("event", import_string("hub.events.envelopes.load_envelopes"))
        register_scheduled_job("prune events", DAY, import_string("hub.events.retention.prune"))
