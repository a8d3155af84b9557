"""The delivery app."""

from django.apps import AppConfig
from django.conf import settings
from django.utils.module_loading import import_string


class DeliveryConfig(AppConfig):
    """Queue, log and the dispatch path."""

    name = "hub.delivery"
    label = "delivery"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the scheduled jobs and keep a log of connection tests."""
        import_string("hub.delivery.schedule.register")()
        if settings.HUB.broker_url:
            # So that wake-ups of every thread, in whatever process, go to the hub's own broker.
            import_string("hub.celery.app").set_default()
