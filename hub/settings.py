"""The one settings module. Every setting of the hub's own is a field of ``HubSettings``."""

from dataclasses import dataclass
from pathlib import Path

import environ

from hub.dashboard.theme import UNFOLD as UNFOLD
from hub.identity import options as sign_in
from hub.lib.databases import replica, tuned
from hub.lib.keyfiles import encryption_keys, secret_key
from hub.lib.logs import logging_config

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()
environ.Env.read_env(BASE_DIR / ".env")


@dataclass(frozen=True, slots=True)
class HubSettings:
    """What an operator sets, by environment variables named ``HUB_…``."""

    #: Folder of the database, the key and the logs of an embedded hub.
    home: Path
    #: Public address, for links, OAuth redirects and webhook URLs.
    url: str
    #: Base64url keys of 32 bytes: the first encrypts, all decrypt.
    encryption_keys: tuple[str, ...]
    #: Ids of keys that are gone for good: what they encrypted counts as never entered.
    lost_keys: tuple[str, ...]
    #: Celery's broker; empty: embedded, the supervisor runs the worker.
    broker_url: str
    #: Redis for rate limits and webhook throttling shared by several machines; empty: in memory.
    redis_url: str
    #: Address of the built-in sandbox.
    sandbox_url: str
    #: Threads of one worker process; three times as many more may wait for slow providers.
    worker_threads: int
    #: Queue items a worker claims at once, over all integrations.
    claim_size: int
    #: Seconds a worker holds an item before another may take it.
    lease_seconds: int
    #: Days that events, finished items, logs and webhooks are kept.
    retention_days: int
    #: Bytes that one call to a webhook endpoint may bring.
    webhook_max_bytes: int
    #: Seconds after which a body that comes in slowly is cut off (``hub/lib/slow_bodies.py``).
    body_seconds: float
    #: Calls to the API that one key may make in a minute; a batch of events is one call.
    api_rate_per_minute: int
    #: Addresses of the proxies in front of the hub whose X-Forwarded-For is believed.
    trusted_proxies: tuple[str, ...]
    #: Whether a mail server is set (``HUB_EMAIL_URL``); without one, reports are only shown.
    sends_mail: bool
    #: OpenTelemetry collector (OTLP over HTTP, such as http://collector:4318); empty: no traces.
    otel_endpoint: str
    #: Share of the traces that are sent, 0 to 1.
    otel_sample: float
    #: Whether the first start of an empty hub makes the demo organization.
    demo: bool
    #: Socket by which an embedded web process wakes the worker.
    wake_socket: Path

    @property
    def embedded(self) -> bool:
        """Whether the supervisor runs the worker (no broker is set)."""
        return not self.broker_url


HOME = Path(env.str("HUB_HOME", default=str(BASE_DIR / "var")))
DEBUG = env.bool("HUB_DEBUG", default=False)
HUB = HubSettings(
    home=HOME,
    url=env.str("HUB_URL", default="http://localhost:8000").rstrip("/"),
    encryption_keys=encryption_keys(HOME, env.list("HUB_ENCRYPTION_KEYS", default=[])),
    lost_keys=tuple(each.strip() for each in env.list("HUB_LOST_KEYS", default=[]) if each.strip()),
    broker_url=env.str("HUB_BROKER_URL", default=""),
    redis_url=env.str("HUB_REDIS_URL", default=""),
    sandbox_url=env.str("HUB_SANDBOX_URL", default="http://127.0.0.1:8009").rstrip("/"),
    worker_threads=env.int("HUB_WORKER_THREADS", default=128),
    claim_size=env.int("HUB_CLAIM_SIZE", default=100),
    lease_seconds=env.int("HUB_LEASE_SECONDS", default=90),
    retention_days=env.int("HUB_RETENTION_DAYS", default=90),
    webhook_max_bytes=env.int("HUB_WEBHOOK_MAX_BYTES", default=1024 * 1024),
    body_seconds=env.float("HUB_BODY_SECONDS", default=20.0),
    api_rate_per_minute=env.int("HUB_API_RATE_PER_MINUTE", default=120_000),
    trusted_proxies=tuple(env.list("HUB_TRUSTED_PROXIES", default=[])),
    sends_mail=bool(env.str("HUB_EMAIL_URL", default="")),
    otel_endpoint=env.str("HUB_OTEL_ENDPOINT", default="").rstrip("/"),
    otel_sample=env.float("HUB_OTEL_SAMPLE", default=1.0),
    demo=env.bool("HUB_DEMO", default=True),
    wake_socket=HOME / "wake.sock",
)
SIGN_IN = sign_in.read(env)
SECRET_KEY = secret_key(HOME, env.str("HUB_SECRET_KEY", default=""), DEBUG)
ALLOWED_HOSTS = env.list("HUB_ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = [HUB.url]
INSTALLED_APPS = [
    "hub.dashboard.apps.DashboardConfig",
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "hub.dashboard.apps.HubAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.humanize",
    "django.forms",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_celery_beat",
    *sign_in.APPS,
    "hub.accounts",
    "hub.identity",
    "hub.connections",
    "hub.mapping",
    "hub.delivery",
    "hub.events",
    "webhooks",
    "hub.metrics",
    *("hub.sync", "hub.files", "hub.quality"),
    "hub.config",
    "hub.audit",
    "hub.api",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "hub.lib.headers.HeadersMiddleware",
    "hub.api.middleware.RequestIdMiddleware",
    "hub.api.middleware.DirectMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "hub.audit.middleware.ActorMiddleware",
    "hub.lib.zone.ZoneMiddleware",
]
ROOT_URLCONF = "hub.urls"
# Forms find their templates where pages do: a select of hundreds is made by one of ours.
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"
WSGI_APPLICATION = "hub.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "hub.identity.pages.frame",
            ],
        },
    },
]

DATABASES = {"default": tuned(env.db_url("HUB_DATABASE_URL", default=f"sqlite:///{HOME / 'hub.sqlite3'}"))}

# A copy for the admin's long lists: see hub.lib.replica.
if _READ_URL := env.str("HUB_READ_DATABASE_URL", default=""):
    DATABASES["replica"] = replica(env.db_url_config(_READ_URL))
    DATABASE_ROUTERS = ["hub.lib.replica.ReplicaRouter"]

globals().update(sign_in.settings_of(SIGN_IN, HUB.url, HUB.redis_url))
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SECURE_HSTS_SECONDS = 31_536_000 if HUB.url.startswith("https://") else 0
# TLS ends before the hub, where plain HTTP is redirected as well (W008). What holds for the domain's
# other hosts is not for the hub to say (W005, W021). A lock-out is told by the form itself (axes.W002).
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W008", "security.W021", "axes.W002"]

# For example smtp+tls://user:password@mail.example.com:587; a password's odd signs percent-encoded.
_MAIL = env.email_url("HUB_EMAIL_URL", default="dummymail://")
EMAIL_BACKEND, EMAIL_HOST, EMAIL_PORT = _MAIL["EMAIL_BACKEND"], _MAIL["EMAIL_HOST"], _MAIL["EMAIL_PORT"]
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _MAIL["EMAIL_HOST_USER"], _MAIL["EMAIL_HOST_PASSWORD"]
EMAIL_USE_TLS, EMAIL_USE_SSL = _MAIL.get("EMAIL_USE_TLS", False), _MAIL.get("EMAIL_USE_SSL", False)
EMAIL_FILE_PATH, EMAIL_TIMEOUT = _MAIL["EMAIL_FILE_PATH"], 20
DEFAULT_FROM_EMAIL = env.str("HUB_EMAIL_FROM", default="Interchange <interchange@localhost>")

TIME_ZONE = env.str("HUB_TIME_ZONE", default="UTC")
LANGUAGE_CODE = "en-gb"
STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = Path(env.str("HUB_STATIC_ROOT", default=str(HOME / "static")))
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024

CELERY_BROKER_URL = HUB.broker_url or "memory://"
CELERY_TASK_IGNORE_RESULT = CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = TIME_ZONE

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["hub.api.authentication.APIKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["hub.api.authentication.HasScope"],
    "DEFAULT_RENDERER_CLASSES": ["hub.api.rendering.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "hub.api.openapi.HubSchema",
    "EXCEPTION_HANDLER": "hub.api.problems.exception_handler",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Interchange",
    "DESCRIPTION": "Send events, follow their story, and watch the integrations they travel to.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    # No badge of a validator elsewhere: the page loads nothing from other hosts.
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "validatorUrl": None},
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SERVE_PUBLIC": True,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": [],
}
# One line per accepted event and per attempt comes on top with HUB_LOG_TRAFFIC.
LOGGING = logging_config(
    env.str("HUB_LOG_FORMAT", default="lines"),
    env.str("HUB_LOG_LEVEL", default="INFO"),
    env.bool("HUB_LOG_TRAFFIC", default=False),
)
