from django.apps import AppConfig
from django.utils.module_loading import import_string


class FilesConfig(AppConfig):
    name = "hub.files"
    label = "files"
    verbose_name = "Files"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Give the workers and the scheduler their part."""
        import_string("hub.files.jobs.register")()
