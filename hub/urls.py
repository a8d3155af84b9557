"""Where each room of the hub is found."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

admin.autodiscover()

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index"), name="home"),
    path("admin/", admin.site.urls),
    path("account/", include("hub.identity.urls")),
    path("webhooks/", include("webhooks.urls")),
    path("", include("hub.api.urls")),
]
