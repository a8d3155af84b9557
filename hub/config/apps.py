"""The configuration app: documents that describe an organization, and the demo made from one."""

from django.apps import AppConfig


class ConfigConfig(AppConfig):
    """Registers the demo's traffic with the scheduler."""

    name = "hub.config"
    verbose_name = "Configuration"
