"""With a broker, wake-ups go to it from every thread of every process, also of the web's."""

import os
import subprocess
import sys

ASK = """
import threading, django
django.setup()
from celery import current_app
thread = threading.Thread(target=lambda: print(current_app.main, current_app.conf.broker_url))
thread.start(); thread.join()
"""


def test_every_thread_knows_the_broker() -> None:
    url = "redis://127.0.0.1:1/0"
    env = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "hub.settings",
        "HUB_BROKER_URL": url,
        "HUB_SECRET_KEY": "x",
    }
    done = subprocess.run([sys.executable, "-c", ASK], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["hub", url]
