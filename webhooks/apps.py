"""Webhooks: what providers send us."""

from django.apps import AppConfig
from django.utils.module_loading import import_string


class WebhooksConfig(AppConfig):
    """Gives the workers their part of the work once every model is loaded."""

    name = "webhooks"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the jobs."""
        import_string("webhooks.jobs.register")()
