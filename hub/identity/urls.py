"""Pages of signing in and of one's own account, below ``/account/``."""

from allauth.account import views as account
from allauth.socialaccount import views as social
from allauth.socialaccount.providers.facebook import views as facebook
from allauth.socialaccount.providers.google import views as google
from allauth.socialaccount.providers.openid_connect import views as openid
from django.urls import include, path, re_path
from django.views.generic import RedirectView

from hub.identity import views
from hub.identity.options import OIDC

HOME = RedirectView.as_view(pattern_name="mfa_index")

urlpatterns = [
    path("", HOME),
    path("login/", views.sign_in, name="account_login"),
    path("logout/", account.logout, name="account_logout"),
    path("leave/", views.leave, name="leave"),
    path("closed/", RedirectView.as_view(pattern_name="account_login"), name="account_signup"),
    path("inactive/", account.account_inactive, name="account_inactive"),
    path("reauthenticate/", account.reauthenticate, name="account_reauthenticate"),
    path("password/change/", account.password_change, name="account_change_password"),
    path("password/set/", account.password_set, name="account_set_password"),
    path("password/reset/", account.password_reset, name="account_reset_password"),
    path("password/reset/done/", account.password_reset_done, name="account_reset_password_done"),
    re_path(
        r"^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        account.password_reset_from_key,
        name="account_reset_password_from_key",
    ),
    path(
        "password/reset/key/done/",
        account.password_reset_from_key_done,
        name="account_reset_password_from_key_done",
    ),
    path("email/", HOME, name="account_email"),
    path("invitation/<str:secret>/", views.invitation, name="invitation"),
    path("security/", include("allauth.mfa.urls")),
    path("links/", HOME, name="socialaccount_connections"),
    path("links/<int:number>/disconnect/", views.disconnect, name="disconnect"),
    path("links/cancelled/", social.login_cancelled, name="socialaccount_login_cancelled"),
    path("links/error/", social.login_error, name="socialaccount_login_error"),
    path("links/signup/", social.signup, name="socialaccount_signup"),
    path("google/login/", views.guarded(google.oauth2_login), name="google_login"),
    path("google/login/callback/", views.guarded(google.oauth2_callback), name="google_callback"),
    path("facebook/login/", views.guarded(facebook.oauth2_login), name="facebook_login"),
    path("facebook/login/callback/", views.guarded(facebook.oauth2_callback), name="facebook_callback"),
    path(f"{OIDC}/<slug:provider_id>/login/", views.guarded(openid.login), name="openid_connect_login"),
    path(
        f"{OIDC}/<slug:provider_id>/login/callback/",
        views.guarded(openid.callback),
        name="openid_connect_callback",
    ),
]
