"""Access tokens for whoever needs one outside a delivery."""

from hub.connections.client import open_connection
from hub.connections.models import Integration
from integrations.base.errors import AuthError


def access_token(integration: Integration) -> str:
    """Return a valid access token of ``integration``; see ``TokenSource.current`` for the errors."""
    connection = open_connection(integration)
    if connection.tokens is None:
        raise AuthError(
            f"{integration.name} does not use access tokens.", hint="Choose OAuth as its authentication."
        )
    return connection.tokens.current(connection.bare_http())
