"""Filters that lists above ``connections`` share."""

from hub.accounts.filters import ScopedFilter
from hub.connections.models import Integration


class IntegrationFilter(ScopedFilter):
    """By integration."""

    title = "integration"
    parameter_name = "integration"
    model = Integration
    columns = ("name", "sandbox")
