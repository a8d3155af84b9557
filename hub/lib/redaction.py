"""Takes secrets out of what is about to be written."""

from collections.abc import Iterable, Mapping


class Redactor:
    """Masks the given secret values, and whatever stands under a name that means a secret."""

    def __init__(self, secrets: Iterable[str] = (), max_body: int = 16 * 1024): ...

    def text(self, value: str) -> str: ...

    def url(self, value: str) -> str: ...

    def headers(self, values: Mapping[str, str]) -> dict[str, str]: ...

    def body(self, value: bytes, content_type: str) -> str: ...
