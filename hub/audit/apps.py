from django.apps import AppConfig
from django.utils.module_loading import import_string


class AuditConfig(AppConfig):
    name = "hub.audit"
    label = "audit"
    verbose_name = "Audit log"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Begin to watch."""
        import_string("hub.audit.watched.watch_all")()
