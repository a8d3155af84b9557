"""What Stripe's own actions are given. Amounts are integers in the currency's smallest unit."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

Currency = Annotated[str, StringConstraints(to_lower=True, pattern=r"^[a-zA-Z]{3}$")]
MetadataKey = Annotated[str, StringConstraints(max_length=40)]
MetadataValue = Annotated[str, StringConstraints(max_length=500)]
#: Stripe keeps up to 50 pairs (docs.stripe.com/metadata).
Metadata = Annotated[dict[MetadataKey, MetadataValue], Field(max_length=50)]
OWN_VALUES = "Your own values, by name; Stripe keeps and returns them."
Collection = Literal["charge_automatically", "send_invoice"]
PaymentBehavior = Literal[
    "allow_incomplete", "default_incomplete", "error_if_incomplete", "pending_if_incomplete"
]


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, coerce_numbers_to_str=True)


class PaymentIntent(_Input):
    """A payment to take; ``confirm`` with a ``payment_method`` charges at once."""

    amount: int = Field(gt=0, description="In the smallest unit of the currency: 1099 is 10.99 EUR.")
    currency: Currency = Field(description="Three letters, for example eur.")
    customer: str | None = Field(None, pattern=r"^cus_\w+$", description="Stripe's id of the customer.")
    description: str | None = Field(None, max_length=1000, description="A note that your staff sees.")
    receipt_email: str | None = Field(None, description="Stripe sends the receipt there.")
    payment_method: str | None = Field(None, description="Id of a saved payment method (pm_…).")
    confirm: bool = Field(False, description="Charge now instead of waiting for the customer.")
    off_session: bool = Field(False, description="The customer is not present; only with confirm.")
    capture_method: Literal["automatic", "automatic_async", "manual"] | None = Field(
        None, description="manual only reserves the money, to be captured later."
    )
    return_url: str | None = Field(None, description="Where the customer comes back to after a redirect.")
    statement_descriptor_suffix: str | None = Field(
        None, max_length=22, description="What the payer reads on the card statement, after your name."
    )
    metadata: Metadata = Field(default_factory=dict, description=OWN_VALUES)

    @model_validator(mode="after")
    def _together(self) -> Self:
        if self.off_session and not self.confirm:
            raise ValueError("off_session needs confirm")
        return self


class Refund(_Input):
    """Money to give back, from a payment intent or a charge; the whole of it without an amount."""

    payment_intent: str | None = Field(
        None, pattern=r"^pi_\w+$", description="Id of the payment intent (pi_…)."
    )
    charge: str | None = Field(
        None, pattern=r"^(ch|py)_\w+$", description="Id of the charge (ch_…), if there is no payment intent."
    )
    amount: int | None = Field(None, gt=0, description="In the smallest unit; empty: everything.")
    reason: Literal["duplicate", "fraudulent", "requested_by_customer"] | None = Field(
        None, description="duplicate, fraudulent or requested_by_customer."
    )
    metadata: Metadata = Field(default_factory=dict, description=OWN_VALUES)

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.payment_intent is None) == (self.charge is None):
            raise ValueError("give either payment_intent or charge")
        return self


class SubscriptionItem(_Input):
    """One price of a subscription."""

    price: str = Field(description="Id of the price (price_…).")
    quantity: int | None = Field(None, ge=0, description="How many; one if left out.")


class Subscription(_Input):
    """A customer's subscription to one or more prices."""

    customer: str = Field(pattern=r"^cus_\w+$", description="Stripe's id of the customer.")
    items: list[SubscriptionItem] = Field(
        min_length=1, max_length=20, description="What is subscribed to: price and quantity each."
    )
    description: str | None = Field(None, max_length=500, description="Shown to the customer.")
    trial_period_days: int | None = Field(None, ge=1, le=730, description="Days before the first charge.")
    collection_method: Collection | None = Field(None, description="charge_automatically or send_invoice.")
    days_until_due: int | None = Field(None, ge=0, description="Only with send_invoice.")
    default_payment_method: str | None = Field(None, description="Id of a saved payment method (pm_…).")
    payment_behavior: PaymentBehavior | None = Field(
        None, description="What happens if the first payment fails; allow_incomplete if left out."
    )
    cancel_at_period_end: bool | None = Field(None, description="End it after the first period.")
    metadata: Metadata = Field(default_factory=dict, description=OWN_VALUES)


class InvoiceItem(_Input):
    """One line: an amount with its currency, or a price with a quantity."""

    description: str | None = Field(None, max_length=5000, description="What the line is for.")
    amount: int | None = Field(None, description="The line's total in the smallest unit.")
    currency: Currency | None = Field(None, description="Needed with amount: eur.")
    price: str | None = Field(None, description="Id of a one-time price (price_…).")
    quantity: int | None = Field(None, ge=0, description="Only with price.")

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.amount is None) == (self.price is None):
            raise ValueError("give either amount or price")
        if self.amount is not None and not self.currency:
            raise ValueError("amount needs currency")
        if self.amount is not None and self.quantity is not None:
            raise ValueError("quantity goes with price; amount is the line's total")
        return self


class Invoice(_Input):
    """An invoice with its lines, finalized unless ``finalize`` is false."""

    customer: str = Field(pattern=r"^cus_\w+$", description="Stripe's id of the customer.")
    items: list[InvoiceItem] = Field(min_length=1, max_length=250, description="The invoice's lines.")
    description: str | None = Field(None, max_length=1500, description="A note printed on the invoice.")
    collection_method: Collection = Field(
        "charge_automatically", description="charge_automatically, or send_invoice to mail it."
    )
    days_until_due: int | None = Field(None, ge=0, description="Needed with send_invoice.")
    auto_advance: bool = Field(True, description="Stripe charges or sends the finalized invoice by itself.")
    finalize: bool = Field(True, description="False keeps it a draft.")
    metadata: Metadata = Field(default_factory=dict, description=OWN_VALUES)

    @model_validator(mode="after")
    def _due(self) -> Self:
        if (self.collection_method == "send_invoice") != (self.days_until_due is not None):
            raise ValueError("days_until_due goes with collection_method send_invoice")
        return self


class WebhookEndpoint(_Input):
    """An address to which Stripe is to send events."""

    url: str = Field(pattern=r"^https://\S+$", description="Public address of the hub's webhook endpoint.")
    enabled_events: list[str] = Field(default=["*"], min_length=1, description="Event types; * is all.")
    description: str | None = Field(
        None, max_length=5000, description="Shown in Stripe, to tell endpoints apart."
    )
    connect: bool | None = Field(None, description="Events of connected accounts instead of your own.")
    metadata: Metadata = Field(default_factory=dict, description=OWN_VALUES)
