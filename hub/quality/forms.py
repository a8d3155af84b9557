"""The form of a rule."""

from typing import Any

from django import forms

from hub.quality.models import QualityRule, RuleKind
from hub.quality.rules import pattern_problem


class QualityRuleForm(forms.ModelForm):
    """A rule; what its kind needs is asked for, the rest is left empty."""

    class Meta:
        model = QualityRule
        fields = ("type", "field", "kind", "pattern", "minimum", "maximum", "days", "enabled")

    def clean(self) -> dict[str, Any]:
        """Tell what the kind lacks; drop what it does not use."""
        cleaned = super().clean() or {}
        kind = cleaned.get("kind")
        if kind != RuleKind.FRESH and not cleaned.get("field"):
            self.add_error("field", "Which field? For example email.")
        if any(sign in (cleaned.get("field") or "") for sign in "\"'\\$[]"):
            self.add_error("field", "A field's name, its parts with dots: address.city.")
        if kind == RuleKind.PATTERN:
            pattern = cleaned.get("pattern") or ""
            if problem := pattern_problem(pattern) if pattern else "Which pattern? For example \\d{5}.":
                self.add_error("pattern", problem)
        else:
            cleaned["pattern"] = ""
        if kind == RuleKind.RANGE:
            self._check_range(cleaned.get("minimum"), cleaned.get("maximum"))
        else:
            cleaned["minimum"] = cleaned["maximum"] = None
        if kind != RuleKind.FRESH:
            cleaned["days"] = None
        elif not cleaned.get("days"):
            self.add_error("days", "How many days? 1 or more.")
        return cleaned

    def _check_range(self, low: float | None, high: float | None) -> None:
        if low is None and high is None:
            self.add_error("minimum", "Give a number from which on, up to which, or both.")
        elif low is not None and high is not None and low > high:
            self.add_error("maximum", f"Must be {low:g} or more.")
