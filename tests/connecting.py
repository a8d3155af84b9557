"""Integrations as an admin connects them: by the provider's own form, with values that it takes."""

from hub.accounts.models import Organization
from hub.connections.models import Integration
from hub.connections.service import save_integration
from integrations.base.registry import get_provider
from integrations.base.samples import sample_values


def connected(organization: Organization, slug: str, auth: str = "") -> Integration:
    """Return the organization's integration of a provider in its sandbox; made where there is none yet."""
    own = slug.replace("_", "-")
    known = Integration.objects.filter(organization=organization, slug=own).first()
    if known is not None:
        return known
    provider = get_provider(slug)
    values, secrets = sample_values(provider.fields_for(auth))
    return save_integration(
        organization,
        slug,
        name=provider.name,
        slug=own,
        auth_key=auth,
        values=values | secrets,
        sandbox=True,
    )


def connected_for_sync(organization: Organization, slug: str) -> Integration:
    """The same, without limits and waits that a test of records would feel."""
    made = connected(organization, slug)
    Integration.objects.filter(pk=made.pk).update(quick_delay=0, rate_count=1000, rate_seconds=1)
    made.refresh_from_db()
    return made
