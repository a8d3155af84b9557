"""Other people's words beside ours."""


def ended(text: str) -> str:
    """Return ``text`` with a full stop, unless it ends like a sentence already."""
    return text if text.endswith((".", "!", "?", "…", "”")) else f"{text}."


def cut(text: str, length: int) -> str:
    """Return ``text`` without space around it, at most ``length`` characters; … says that there was more."""
    text = text.strip()
    return text if len(text) <= length else f"{text[: length - 1].rstrip()}…"
