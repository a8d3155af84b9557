"""The configuration app: documents that describe an organization, and the demo made from one."""

from django.apps import AppConfig
from django.utils.module_loading import import_string


class ConfigConfig(AppConfig):
    """Registers the demo's traffic with the scheduler."""

    name = "hub.config"
    label = "config"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "Configuration"

    def ready(self) -> None:
        """Register what needs the models, which are loaded by now."""
        import_string("hub.config.demo.register")()
