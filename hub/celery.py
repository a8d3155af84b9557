"""The Celery application of a hub that runs on several machines."""

import logging.config
import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hub.settings")
app = Celery("hub")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def _keep_our_logging(**_: Any) -> None:
    """Have Celery's processes log as all others do; HUB_LOG_LEVEL counts, not ``--loglevel``."""
    logging.config.dictConfig(settings.LOGGING)
