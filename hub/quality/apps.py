from django.apps import AppConfig
from django.utils.module_loading import import_string


class QualityConfig(AppConfig):
    name = "hub.quality"
    label = "quality"
    verbose_name = "Data quality"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Give the scheduler its part, and listen to what is read."""
        import_string("hub.quality.jobs.register")()
