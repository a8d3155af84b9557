"""The actions of every provider, as editors of mappings and previews look them up."""

from integrations.base.capabilities import CAPABILITIES
from integrations.base.provider import Action
from integrations.base.registry import providers


def find_action(provider_slug: str, name: str) -> Action | None:
    """Return the action; without a provider, that of any provider which has the capability ``name``.

    Actions of one capability take the same input, so that any of them stands for all. None where
    provider or action are not known.
    """
    if not provider_slug:
        return _capable(name) if name in CAPABILITIES else None
    provider = providers().get(provider_slug)
    if provider is None:
        return None
    return next((action for action in provider.actions if action.name == name), None)


def action_label(provider_slug: str, name: str) -> str:
    """Return an action's label, or its name where the code is gone."""
    action = find_action(provider_slug, name)
    return action.label if action else name


def target_choices() -> list[tuple[str, list[tuple[str, str]]]]:
    """Return every action as the editor offers it: capabilities first, then provider by provider."""
    shared = [(f":{name}", f"{action.label} ({name})") for name in CAPABILITIES if (action := _capable(name))]
    own = [
        (
            provider.name,
            [(f"{slug}:{action.name}", f"{action.label} ({action.name})") for action in provider.actions],
        )
        for slug, provider in providers().items()
        if provider.actions
    ]
    return [("Any service that can", shared), *own]


def _capable(name: str) -> Action | None:
    actions = (action for provider in providers().values() for action in provider.actions)
    return next((action for action in actions if action.capability and action.name == name), None)
