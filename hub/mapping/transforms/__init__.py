"""The registry of transforms: what a rule may do with a value on its way to the target."""

from typing import Any

from pydantic import ValidationError

from hub.mapping.transforms import numbers, structure, text, times
from hub.mapping.transforms.base import Transform

TRANSFORMS: dict[str, type[Transform]] = {
    transform.name: transform
    for transform in (
        text.Text,
        text.Upper,
        text.Lower,
        text.Title,
        text.Trim,
        text.Truncate,
        text.Replace,
        text.Split,
        text.Join,
        text.Template,
        text.Email,
        text.Sha256,
        numbers.Number,
        numbers.Round,
        numbers.Multiply,
        numbers.Add,
        numbers.ToMinorUnits,
        numbers.FromMinorUnits,
        times.Date,
        structure.Default,
        structure.Lookup,
        structure.Boolean,
        structure.First,
        structure.Last,
        structure.JsonEncode,
        structure.JsonDecode,
    )
}


def make_transform(declared: Any) -> Transform:
    """Return the transform that ``{"name": …, …options}`` declares; raise ValueError saying what is wrong."""
    if not isinstance(declared, dict) or not isinstance(declared.get("name"), str):
        raise ValueError('a transform is an object with a name: {"name": "upper"}')
    kind = TRANSFORMS.get(declared["name"])
    if kind is None:
        raise ValueError(f"there is no transform {declared['name']!r}; there are: {', '.join(TRANSFORMS)}")
    try:
        return kind.model_validate({key: value for key, value in declared.items() if key != "name"})
    except ValidationError as error:
        raise ValueError(f"{kind.name}: {'; '.join(_reasons(error))}") from None


def catalogue() -> list[dict[str, Any]]:
    """Describe every transform for an editor: name, label, help, options as JSON Schema properties."""
    described = []
    for kind in TRANSFORMS.values():
        schema = kind.model_json_schema()
        described.append(
            {
                "name": kind.name,
                "label": kind.label,
                "help": kind.help,
                "options": schema.get("properties", {}),
                "required": schema.get("required", []),
                "takes_nothing": kind.takes_nothing,
            }
        )
    return described


def _reasons(error: ValidationError) -> list[str]:
    reasons = []
    for entry in error.errors(include_url=False, include_input=False):
        where = ".".join(str(part) for part in entry["loc"])
        message = entry["msg"].removeprefix("Value error, ")
        reasons.append(f"option {where} {_lower_first(message)}" if where else message)
    return reasons


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]
