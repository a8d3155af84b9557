"""What a transform is."""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict


class Transform(BaseModel):
    """One step of a rule: its fields are the options an admin sets (title: label, description: help).

    A subclass says what it is with ``name`` (in rules), ``label`` and ``help`` (in the editor).
    ``each``: a list is transformed entry by entry. ``takes_nothing``: it is also asked where there
    is no value, which every other transform leaves as it is.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: ClassVar[str]
    label: ClassVar[str]
    help: ClassVar[str]
    each: ClassVar[bool] = True
    takes_nothing: ClassVar[bool] = False

    def apply(self, value: Any, event: Mapping[str, Any]) -> Any:
        """Return the new value; raise TransformError with the value and what was expected."""
        raise TypeError(f"{type(self).__name__} does not say how it is applied.")

    def run(self, value: Any, event: Mapping[str, Any]) -> Any:
        """Apply to a value, to every entry of a list, or to nothing, as the transform declares."""
        if value is None and not self.takes_nothing:
            return None
        if self.each and isinstance(value, list):
            return [self.run(entry, event) for entry in value]
        return self.apply(value, event)
