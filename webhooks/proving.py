"""Whether a call is proved by one of its endpoint's secrets: the same for real calls and for the tool."""

from collections.abc import Mapping

from integrations.base.webhooks import Incoming, Refused, Webhook
from webhooks.models import WebhookEndpoint


def verify(endpoint: WebhookEndpoint, webhook: Webhook, incoming: Incoming) -> int:
    """Return which secrets proved the call: 0 the present ones, 1 those of before.

    Raise Refused, with what the present secrets said, unless one set of secrets proves it.
    """
    first: Refused | None = None
    for place, secrets in enumerate(endpoint.secret_sets()):
        try:
            _verify_with(webhook, incoming, secrets)
        except Refused as refused:
            first = first or refused
        else:
            return place
    raise first or Refused("No secret is set for this endpoint; enter it to accept calls.")


def missing_secrets(webhook: Webhook, secrets: Mapping[str, str]) -> list[str]:
    """Return the labels of needed secrets that were not entered: every call is refused until then."""
    return [field.label for field in webhook.fields if field.required and not secrets.get(field.name)]


def _verify_with(webhook: Webhook, incoming: Incoming, secrets: Mapping[str, str]) -> None:
    if missing := missing_secrets(webhook, secrets):
        raise Refused(f"{', '.join(missing)} is not set for this endpoint; enter it to accept calls.")
    webhook.verify(incoming, secrets)
