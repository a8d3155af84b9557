from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class DashboardConfig(AppConfig):
    name = "hub.dashboard"
    label = "dashboard"
    default = True
    default_auto_field = "django.db.models.BigAutoField"


class HubAdminConfig(AdminConfig):
    """Django's admin with the hub's own site."""

    default = False
    default_site = "hub.dashboard.site.HubAdminSite"
