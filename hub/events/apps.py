from django.apps import AppConfig
from django.utils.module_loading import import_string

from hub.delivery.sources import register_source


class EventsConfig(AppConfig):
    name = "hub.events"
    label = "events"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Tell delivery how events are loaded."""
        register_source("event", import_string("hub.events.envelopes.load_envelopes"))
