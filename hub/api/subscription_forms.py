"""What the API of subscriptions takes and answers: forms that bodies are held against, and descriptions."""

from typing import Annotated, Any, TypeVar

from drf_spectacular.utils import OpenApiResponse
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from rest_framework import serializers

from hub.api import schemas
from hub.api.bodies import MOST_TOLD
from hub.api.problems import FieldProblem
from integrations.base.inputs import sentence

Form = TypeVar("Form", bound=BaseModel)


def _plain(text: str) -> str:
    if any(ord(character) < 32 or 0xD800 <= ord(character) < 0xE000 for character in text):
        raise ValueError("must not hold control characters or halves of surrogate pairs")
    return text


Text = Annotated[str, AfterValidator(_plain)]


class Body(BaseModel):
    """A body: what it may hold, and nothing else."""

    model_config = ConfigDict(extra="forbid", strict=True)


class RateIn(Body):
    """At most ``count`` messages in ``seconds``."""

    count: int
    seconds: int = 1


class SubscriptionIn(Body):
    """A new subscription."""

    url: Text = Field(max_length=2000)
    types: list[Text] = Field(max_length=100)
    name: Text = ""
    filter: Text = ""
    rate_limit: RateIn | None = None
    secret: Text = Field("", max_length=100)


class SubscriptionPatch(Body):
    """What may be changed of one: what is left out stays, null brings back the default (RFC 7396)."""

    url: Text = Field("", max_length=2000)
    types: list[Text] = Field([], max_length=100)
    name: Text | None = None
    filter: Text | None = None
    rate_limit: RateIn | None = None
    enabled: bool | None = None


class RotateIn(Body):
    """A rotation: both may be left out."""

    secret: Text = Field("", max_length=100)
    overlap_hours: int = Field(24, ge=0, le=720)


class HookIn(Body):
    """A REST hook: one address, one type of event."""

    target_url: Text = Field(max_length=2000)
    event: Text = Field(max_length=200)


class UnhookIn(Body):
    """Which REST hook ends: by its id, or by its address."""

    id: Text = Field("", max_length=40)
    target_url: Text = Field("", max_length=2000)


RATE = schemas.shape("SubscriptionRate", {"count": schemas.number(), "seconds": schemas.number()})
_WRITABLE: dict[str, serializers.Field] = {
    "url": schemas.text("Where the events go: https://…", max_length=2000),
    "types": schemas.texts(),
    "name": schemas.text("The address's host, unless given.", required=False, max_length=120),
    "filter": schemas.text("JMESPath over the event: data.total > `100`.", required=False, max_length=1000),
    "rate_limit": RATE(required=False, allow_null=True, help_text="20 messages a second, unless given."),
}
_OPTIONAL: dict[str, Any] = {"required": False, "allow_null": True}
SECRET_IN = schemas.text("Your own: whsec_ and 24 to 64 bytes in base64.", required=False, max_length=100)
SUBSCRIPTION_IN = schemas.shape("SubscriptionIn", {**_WRITABLE, "secret": SECRET_IN})
SUBSCRIPTION_PATCH = schemas.shape(
    "SubscriptionPatch",
    {
        "url": schemas.text(required=False, max_length=2000),
        "types": serializers.ListField(child=serializers.CharField(), required=False),
        "name": schemas.text("Its address's host, for null.", **_OPTIONAL, max_length=120),
        "filter": schemas.text("JMESPath over the event; none, for null.", **_OPTIONAL, max_length=1000),
        "rate_limit": _WRITABLE["rate_limit"],
        "enabled": serializers.BooleanField(help_text="true switches it on again.", **_OPTIONAL),
    },
)
_SUBSCRIPTION: dict[str, serializers.Field] = {
    "id": schemas.identifier(),
    "name": schemas.text(),
    "url": schemas.text(),
    "types": schemas.texts(),
    "filter": schemas.text(),
    "rate_limit": RATE(allow_null=True),
    "enabled": serializers.BooleanField(),
    "reason": schemas.text("Why it is switched off."),
    "failing_since": schemas.moment("The first failure after which nothing was taken.", allow_null=True),
    "disabled_at": schemas.moment("When it is switched off if it goes on failing.", allow_null=True),
    "previous_secret_until": schemas.moment("Until when two secrets sign.", allow_null=True),
    "created_at": schemas.moment(),
    "updated_at": schemas.moment(),
}
SUBSCRIPTION = schemas.shape("Subscription", _SUBSCRIPTION)
SUBSCRIBED = schemas.shape(
    "Subscribed", {**_SUBSCRIPTION, "secret": schemas.text("Shown this once: keep it to verify with.")}
)
SUBSCRIPTION_PAGE = schemas.shape(
    "SubscriptionPage", {"results": SUBSCRIPTION(many=True), "next_cursor": schemas.text(allow_null=True)}
)
ROTATE_IN = schemas.shape(
    "RotateIn",
    {
        "secret": SECRET_IN,
        "overlap_hours": schemas.number(
            "How long both secrets sign; 24 unless given.", required=False, min_value=0, max_value=720
        ),
    },
)
ROTATED = schemas.shape(
    "Rotated", {"secret": schemas.text(), "previous_secret_until": schemas.moment(allow_null=True)}
)
HOOK_IN = schemas.shape("HookIn", {"target_url": schemas.text(), "event": schemas.text()})
UNHOOK_IN = schemas.shape(
    "UnhookIn", {"id": schemas.text(required=False), "target_url": schemas.text(required=False)}
)
MESSAGE = schemas.shape(
    "WebhookMessage",
    {
        "id": schemas.text("The event's id, the same in every repetition."),
        "type": schemas.text(),
        "timestamp": schemas.moment(),
        "subject": schemas.text(),
        "source": schemas.text(),
        "data": serializers.JSONField(allow_null=True),
    },
)
SENT = schemas.shape("TestSent", {"event": schemas.identifier()})
NEW: dict[str, Any] = {
    "url": "https://hooks.example.com/orders",
    "types": ["order.*", "invoice.paid"],
    "name": "Orders",
}
SECRET = "whsec_ZXhhbXBsZS1zZWNyZXQtb2YtYS1zdWJzY3JpcHRpb24="
SHOWN: dict[str, Any] = {
    "id": "01980f6e-2f9a-7c31-9d6e-0a1b2c3d4e5f",
    **NEW,
    "filter": "",
    "rate_limit": None,
    "enabled": True,
    "reason": "",
    "failing_since": None,
    "disabled_at": None,
    "previous_secret_until": None,
    "created_at": "2026-11-03T12:00:00Z",
    "updated_at": "2026-11-03T12:00:00Z",
}
MESSAGE_SHOWN: dict[str, Any] = {
    "id": "01980f6e-2f9a-7c31-9d6e-0a1b2c3d4e60",
    "type": "order.paid",
    "timestamp": "2026-11-03T12:00:00Z",
    "subject": "A-1",
    "source": "shop",
    "data": {"total": "19.90"},
}
GONE = OpenApiResponse(description="Nothing is sent there any more.")


def read_form(form: type[Form], body: dict[str, Any]) -> Form:
    """Return the body as ``form``; raise FieldProblem with a sentence for each field.

    No sentence repeats what was sent: it may be a secret.
    """
    try:
        return form.model_validate(body)
    except ValidationError as error:
        entries = error.errors(include_url=False)[:MOST_TOLD]
        raise FieldProblem([_told(form, entry) for entry in entries]) from None


def _told(form: type[BaseModel], entry: Any) -> tuple[str, str]:
    place = ".".join(str(part) for part in entry["loc"])
    if entry["type"] == "extra_forbidden":
        return place, f"There is no field {place!r}; there are: {', '.join(form.model_fields)}."
    return place, f"'{place}': {sentence(entry)}."
