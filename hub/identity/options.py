"""Settings of signing in: what an operator says by ``HUB_…``, and what the libraries make of it.

Loaded by the settings, so it imports no model.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

APPS = (
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.facebook",
    "allauth.socialaccount.providers.google",
    "allauth.socialaccount.providers.openid_connect",
    "axes",
    "auditlog",
)
#: Wrong passwords for one name from one address until it has to wait, and for how long.
TRIES, LOCKED_FOR = 5, timedelta(minutes=15)
#: The part of the address of an OpenID provider's pages here.
OIDC = "oidc"


@dataclass(frozen=True, slots=True)
class SignIn:
    """What an operator sets about signing in, by environment variables named ``HUB_…``."""

    #: An OpenID provider (Keycloak, Entra, Okta …): its issuer's URL; empty: none.
    oidc_issuer: str
    oidc_client_id: str
    oidc_client_secret: str
    #: What the button says after “Continue with”.
    oidc_name: str
    google_client_id: str
    google_client_secret: str
    facebook_client_id: str
    facebook_client_secret: str

    @property
    def plain_issuer(self) -> str:
        """The issuer's origin where it is at plain HTTP (a test on this machine), else empty."""
        parts = urlsplit(self.oidc_issuer)
        return f"http://{parts.netloc}" if parts.scheme == "http" else ""


def read(env: Any) -> SignIn:
    """Read the options from the environment."""
    return SignIn(
        oidc_issuer=env.str("HUB_OIDC_ISSUER", default="").rstrip("/"),
        oidc_client_id=env.str("HUB_OIDC_CLIENT_ID", default=""),
        oidc_client_secret=env.str("HUB_OIDC_CLIENT_SECRET", default=""),
        oidc_name=env.str("HUB_OIDC_NAME", default="single sign-on"),
        google_client_id=env.str("HUB_GOOGLE_CLIENT_ID", default=""),
        google_client_secret=env.str("HUB_GOOGLE_CLIENT_SECRET", default=""),
        facebook_client_id=env.str("HUB_FACEBOOK_CLIENT_ID", default=""),
        facebook_client_secret=env.str("HUB_FACEBOOK_CLIENT_SECRET", default=""),
    )


def settings_of(options: SignIn, url: str, redis_url: str) -> dict[str, Any]:
    """Return Django's, allauth's and axes' settings by name; ``url``: the hub's public address."""
    secure = url.startswith("https://")
    return {
        "AUTHENTICATION_BACKENDS": [
            "axes.backends.AxesStandaloneBackend",
            "allauth.account.auth_backends.AuthenticationBackend",
        ],
        "AUTH_PASSWORD_VALIDATORS": [
            {"NAME": f"django.contrib.auth.password_validation.{name}"}
            for name in (
                "UserAttributeSimilarityValidator",
                "MinimumLengthValidator",
                "CommonPasswordValidator",
            )
        ],
        "AUDITLOG_LOGENTRY_MODEL": "audit.Entry",
        # Its own table would stay empty beside that one, and PostgreSQL would not empty the users' alone.
        "MIGRATION_MODULES": {"auditlog": None},
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SECURE": secure,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "CSRF_COOKIE_SECURE": secure,
        "CSRF_COOKIE_SAMESITE": "Lax",
        "LOGIN_URL": "admin:login",
        "LOGIN_REDIRECT_URL": "admin:index",
        "CACHES": _caches(redis_url),
        "ACCOUNT_ADAPTER": "hub.identity.adapters.AccountAdapter",
        "ACCOUNT_FORMS": {"login": "hub.identity.forms.SignInForm"},
        "ACCOUNT_LOGIN_METHODS": {"username", "email"},
        "ACCOUNT_SIGNUP_FIELDS": ["username*", "email*", "password1*"],
        "ACCOUNT_EMAIL_VERIFICATION": "none",
        "ACCOUNT_DEFAULT_HTTP_PROTOCOL": "https" if secure else "http",
        "ACCOUNT_LOGOUT_REDIRECT_URL": "admin:login",
        "ACCOUNT_AUTHENTICATED_LOGIN_REDIRECTS": False,
        "ACCOUNT_SESSION_REMEMBER": True,
        # Passwords are counted by axes; this counts second factors per user, and calls per address.
        "ACCOUNT_RATE_LIMITS": {"login": "60/m/ip", "login_failed": "5/5m/key"},
        "MFA_ADAPTER": "hub.identity.adapters.FactorAdapter",
        "MFA_SUPPORTED_TYPES": ["totp", "webauthn", "recovery_codes"],
        "MFA_PASSKEY_LOGIN_ENABLED": True,
        "MFA_TOTP_ISSUER": "Interchange",
        "MFA_TOTP_TOLERANCE": 1,
        # A browser offers keys over plain HTTP only on this machine itself.
        "MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN": not secure,
        "SOCIALACCOUNT_ADAPTER": "hub.identity.adapters.SocialAdapter",
        "SOCIALACCOUNT_PROVIDERS": _providers(options),
        "SOCIALACCOUNT_OPENID_CONNECT_URL_PREFIX": OIDC,
        "SOCIALACCOUNT_EMAIL_AUTHENTICATION": True,
        "SOCIALACCOUNT_EMAIL_AUTHENTICATION_AUTO_CONNECT": True,
        "SOCIALACCOUNT_STORE_TOKENS": False,
        "AXES_LOCKOUT_PARAMETERS": [["username", "ip_address"]],
        "AXES_FAILURE_LIMIT": TRIES,
        "AXES_COOLOFF_TIME": LOCKED_FOR,
        "AXES_RESET_ON_SUCCESS": True,
        "AXES_DISABLE_ACCESS_LOG": True,
        "AXES_ENABLE_ADMIN": False,
        "AXES_VERBOSE": False,
        "AXES_USERNAME_CALLABLE": "hub.identity.lockouts.name_of",
        "AXES_CLIENT_IP_CALLABLE": "hub.identity.lockouts.address_of",
    }


def _caches(redis_url: str) -> dict[str, Any]:
    """Used codes and counts of tries: in this process, or for all machines where there is Redis."""
    if not redis_url:
        return {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    return {"default": {"BACKEND": "hub.lib.cache.PatientCache", "LOCATION": redis_url}}


def _providers(options: SignIn) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if options.google_client_id:
        app = {"client_id": options.google_client_id, "secret": options.google_client_secret}
        found["google"] = {"APPS": [app], "SCOPE": ["profile", "email"], "OAUTH_PKCE_ENABLED": True}
    if options.facebook_client_id:
        app = {"client_id": options.facebook_client_id, "secret": options.facebook_client_secret}
        # Facebook does not say whether it verified an address, so none is taken for verified.
        found["facebook"] = {"APPS": [app], "METHOD": "oauth2", "VERIFIED_EMAIL": False}
    if options.oidc_issuer:
        sso: dict[str, Any] = {
            "provider_id": "sso",
            "name": options.oidc_name,
            "client_id": options.oidc_client_id,
            "secret": options.oidc_client_secret,
            "settings": {"server_url": options.oidc_issuer},
        }
        found["openid_connect"] = {"APPS": [sso], "OAUTH_PKCE_ENABLED": True}
    return found
