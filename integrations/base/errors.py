"""What can go wrong between the hub and a provider, by what the hub does about it.

An action raises one of these and nothing else; ``delivery`` decides by the class. The message is
a sentence for the admin, never a stack trace, and holds no secret.
"""

from collections.abc import Callable, Mapping


class IntegrationError(Exception):
    """The provider did not do what was asked."""

    #: Short name for logs, metrics and the API.
    kind = "error"

    def __init__(self, message: str, *, hint: str = "", status: int | None = None):
        """``message``: what happened; ``hint``: what to do; ``status``: HTTP status, if any."""
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.status = status

    def mask(self, hide: Callable[[str], str]) -> None:
        """Pass every text through ``hide``: a provider may repeat a secret in its answer."""
        self.message, self.hint = hide(self.message), hide(self.hint)
        self.args = (self.message,)


class TransientError(IntegrationError):
    """It may pass if tried again: timeout, connection lost, provider's own fault (5xx)."""

    kind = "transient"

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        status: int | None = None,
        retry_after: float | None = None,
    ):
        """``retry_after``: seconds the provider asked to wait, if it did."""
        super().__init__(message, hint=hint, status=status)
        self.retry_after = retry_after


class RateLimited(TransientError):
    """The provider's limit is reached; the whole integration waits, not only this item."""

    kind = "rate_limited"


class AuthError(IntegrationError):
    """The credential is refused: the integration needs reconnecting, its queue is held."""

    kind = "auth"


class PermanentError(IntegrationError):
    """This item will never pass as it is."""

    kind = "permanent"


class Rejected(PermanentError):
    """The provider refused the data; ``fields`` says which field and why."""

    kind = "rejected"

    def __init__(
        self,
        message: str,
        *,
        fields: Mapping[str, str] | None = None,
        hint: str = "",
        status: int | None = None,
    ):
        """``fields``: target field → reason."""
        super().__init__(message, hint=hint, status=status)
        self.fields = dict(fields or {})

    def mask(self, hide: Callable[[str], str]) -> None:
        """The same for the reasons."""
        super().mask(hide)
        self.fields = {name: hide(reason) for name, reason in self.fields.items()}
