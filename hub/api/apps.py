from django.apps import AppConfig
from django.utils.module_loading import import_string

from hub.delivery.jobs import register_scheduled_job

DAY = 24 * 3600


class APIConfig(AppConfig):
    name = "hub.api"
    label = "api"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Tell the scheduler when answers that are kept for repeated calls go."""
        register_scheduled_job("prune idempotency keys", DAY, import_string("hub.api.idempotency.prune"))
