"""Settings of the test suite: the project's own, in a folder of their own."""

import os
import tempfile

if "HUB_HOME" not in os.environ:
    # Of this run alone: two runs at once do not meet. Its parallel workers inherit the name.
    _home = tempfile.TemporaryDirectory(prefix="interchange-tests-")
    os.environ["HUB_HOME"] = _home.name
os.makedirs(os.environ["HUB_HOME"], exist_ok=True)
os.environ["HUB_ENCRYPTION_KEYS"] = "dGVzdHMtb25seS10ZXN0cy1vbmx5LXRlc3RzLW9ubHk"
os.environ["HUB_SECRET_KEY"] = "only-for-tests"
os.environ["HUB_URL"] = "http://localhost:8000"

from hub.settings import *
from hub.settings import DATABASES, HOME, STATIC_ROOT

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # A file, so that threads and processes of a test see the same data.
    DATABASES["default"]["TEST"] = {"NAME": HOME / "test.sqlite3"}
# WhiteNoise warns of a folder that is not there; nothing is collected for tests.
STATIC_ROOT.mkdir(parents=True, exist_ok=True)
