from django.apps import AppConfig
from django.utils.module_loading import import_string


class SyncConfig(AppConfig):
    name = "hub.sync"
    label = "sync"
    verbose_name = "Records and sync"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Give the workers and the scheduler their part."""
        import_string("hub.sync.jobs.register")()
