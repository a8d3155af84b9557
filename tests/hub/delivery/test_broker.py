"""With a broker, wake-ups go to the hub's own from every process, whoever else uses Celery there."""

import os
import subprocess
import sys

ASK = """
import django
from celery import Celery
Celery("another", broker="redis://127.0.0.1:1/0").set_default()
django.setup()
from hub.celery import app
from hub.delivery.wake import wake
wake()
with app.connection_for_read() as connection, connection.SimpleQueue("celery") as queue:
    print(queue.get(timeout=10).headers["task"])
"""


def test_wake_ups_go_to_the_broker_of_the_hub() -> None:
    env = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "hub.settings",
        "HUB_BROKER_URL": "memory://",
        "HUB_SECRET_KEY": "x",
    }
    done = subprocess.run([sys.executable, "-c", ASK], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["hub.delivery.tasks.wake"]
