from django.apps import AppConfig
from django.contrib.admin.apps import SimpleAdminConfig


class DashboardConfig(AppConfig):
    name = "hub.dashboard"
    label = "dashboard"
    default = True
    default_auto_field = "django.db.models.BigAutoField"


class HubAdminConfig(SimpleAdminConfig):
    """Django's admin with the hub's own site.

    Its pages are found by ``hub.urls``: a worker, which serves none, starts sooner and smaller without.
    """

    default = False
    default_site = "hub.dashboard.site.HubAdminSite"
