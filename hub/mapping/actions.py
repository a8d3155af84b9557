"""The actions of every provider, as editors of mappings and previews look them up."""

from integrations.base.provider import Action
from integrations.base.registry import providers


def find_action(provider_slug: str, name: str) -> Action | None:
    """Return the action, or None where provider or action are not known."""
    provider = providers().get(provider_slug)
    if provider is None:
        return None
    return next((action for action in provider.actions if action.name == name), None)


def target_choices() -> list[tuple[str, list[tuple[str, str]]]]:
    """Return every action, by provider, as the editor offers them."""
    return [
        (
            provider.name,
            [(f"{slug}:{action.name}", f"{action.label} ({action.name})") for action in provider.actions],
        )
        for slug, provider in providers().items()
        if provider.actions
    ]
