"""The delivery app."""

from django.apps import AppConfig
from django.utils.module_loading import import_string

from hub.delivery.jobs import register_worker_job


class DeliveryConfig(AppConfig):
    """Queue, log and the dispatch path."""

    name = "hub.delivery"
    label = "delivery"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the scheduled jobs and keep a log of connection tests."""
        import_string("hub.delivery.schedule.register")()
        register_worker_job("bulk runs", import_string("hub.delivery.bulk.work"))
