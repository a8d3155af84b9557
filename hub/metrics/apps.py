from django.apps import AppConfig
from django.utils.module_loading import import_string


class MetricsConfig(AppConfig):
    name = "hub.metrics"
    label = "metrics"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the scheduled jobs."""
        import_string("hub.metrics.schedule.register")()
