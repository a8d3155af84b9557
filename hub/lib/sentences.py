"""Other people's words beside ours, and numbers beside words."""


def ended(text: str) -> str:
    """Return ``text`` with a full stop, unless it ends like a sentence already."""
    return text if text.endswith((".", "!", "?", "…", "”", "}")) else f"{text}."


def advised(said: str, advice: str) -> str:
    """Return what happened and, where there is any, what to do: other people's words end with a full stop."""
    return f"{ended(said)} {advice}" if said and advice else said or advice


def plural(count: int, one: str, many: str = "") -> str:
    """Return ``1 delivery`` or ``2,000 deliveries``; ``many`` where it is more than an added s."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def cut(text: str, length: int) -> str:
    """Return ``text`` without space around it, at most ``length`` characters; … says that there was more."""
    text = text.strip()
    return text if len(text) <= length else f"{text[: length - 1].rstrip()}…"
