from django.apps import AppConfig

from hub.lib import timestamps


class AccountsConfig(AppConfig):
    name = "hub.accounts"
    label = "accounts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Read times from the database fast, from the first connection on."""
        timestamps.register()
