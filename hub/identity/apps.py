from importlib import import_module

from django.apps import AppConfig


class IdentityConfig(AppConfig):
    name = "hub.identity"
    label = "identity"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Load what listens to signals."""
        import_module("hub.identity.adapters")
