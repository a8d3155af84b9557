"""The page of the signature tool: a call is pasted, or a sample made, and the verdict stands beside it."""

import json
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse

from hub.accounts.pages import HubAdmin
from integrations.base.webhooks import Webhook
from webhooks import signature
from webhooks.models import ReceivedWebhook, WebhookEndpoint
from webhooks.service import endpoint_url

LONGEST = 1_000_000


class PastedCall(forms.Form):
    """A call as somebody pasted it. ``call``: the kept call that it was filled with."""

    headers = forms.CharField(
        required=False,
        max_length=50_000,
        help_text="One on each line, as “Name: value”. The -H lines of a curl command will do too.",
    )
    body = forms.CharField(
        required=False,
        strip=False,
        max_length=LONGEST,
        help_text="Raw, byte for byte as it was sent.",
    )
    address = forms.CharField(
        required=False,
        max_length=4_000,
        label="Address that was called",
        help_text="Only where it had a query (?…): some signatures cover it.",
    )
    call = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, endpoint: WebhookEndpoint, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.endpoint = endpoint
        for name in ("headers", "body"):
            rows = 5 if name == "headers" else 10
            self.fields[name].widget = forms.Textarea(attrs={"rows": rows, "spellcheck": "false"})
        for bound in self.fields.values():
            bound.widget.attrs |= {"class": "ic-input", "autocomplete": "off"}

    def clean_headers(self) -> dict[str, str]:
        """Return them by name."""
        try:
            return signature.read_headers(self.cleaned_data["headers"])
        except ValueError as error:
            raise forms.ValidationError(str(error)) from None

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        # A browser sends every line end of a text area as CRLF.
        body = cleaned.get("body", "").replace("\r\n", "\n")
        kept = _kept(self.endpoint, cleaned.get("call"))
        same = kept is not None and _text(kept) == body
        cleaned["bytes"] = bytes(kept.body) if kept is not None and same else body.encode()
        return cleaned


def show(site: HubAdmin, request: HttpRequest, endpoint: WebhookEndpoint) -> HttpResponse:
    """GET: the empty tool, or filled with a kept call (``?call=``) or a signed sample (``?sample=``).
    POST: the verdict on what was pasted."""
    provider = endpoint.integration.provider
    if provider.webhook is None:
        return site.render(request, "webhooks/signature.html", endpoint, possible=False)
    verdict, refusal, made = None, "", None
    if request.method == "POST":
        form = PastedCall(request.POST, endpoint=endpoint)
        if form.is_valid():
            verdict = _verdict(endpoint, provider.webhook, form.cleaned_data)
    else:
        initial: dict[str, Any] = _from_kept(endpoint, request.GET.get("call", ""))
        if wanted := request.GET.get("sample", ""):
            try:
                made = _sample(endpoint, provider.webhook, wanted)
                initial = {"headers": made.headers, "body": made.body}
            except signature.Unsigned as error:
                refusal = str(error)
        form = PastedCall(initial=initial, endpoint=endpoint)
    response = site.render(
        request,
        "webhooks/signature.html",
        endpoint,
        page_words="Test a signature",
        possible=True,
        form=form,
        verdict=verdict,
        refusal=refusal,
        made=made,
        samples=_choices(endpoint),
        chosen=request.GET.get("sample", ""),
        address=endpoint_url(endpoint),
        endpoint_page=site.url("change", endpoint.pk),
    )
    response.status_code = 422 if form.errors else 200
    return response


def _verdict(endpoint: WebhookEndpoint, webhook: Webhook, given: dict[str, Any]) -> signature.Verdict:
    call = signature.incoming(endpoint, given["headers"], given["bytes"], given["address"])
    return signature.check(endpoint, webhook, call)


def _sample(endpoint: WebhookEndpoint, webhook: Webhook, wanted: str) -> signature.Sample:
    """Sign the sample of one event type; an unknown one gives the first."""
    fixtures = signature.samples(endpoint)
    fixture = next((each for each in fixtures if wanted in each.types), fixtures[0] if fixtures else None)
    body = fixture.body if fixture else json.dumps({"hello": "world"}).encode()
    return signature.sample(endpoint, webhook, body, fixture.headers if fixture else {})


def _choices(endpoint: WebhookEndpoint) -> list[tuple[str, str]]:
    """Return (event type, its label) of every sample."""
    webhook = endpoint.integration.provider.webhook
    labels = {event.type: event.label for event in webhook.events} if webhook else {}
    types = dict.fromkeys(fixture.types[0] for fixture in signature.samples(endpoint))
    return [(name, labels.get(name) or name) for name in types]


def _from_kept(endpoint: WebhookEndpoint, chosen: str) -> dict[str, Any]:
    kept = _kept(endpoint, int(chosen)) if chosen.isdecimal() and len(chosen) < 19 else None
    if kept is None:
        return {}
    lines = [f"{name}: {value}" for name, value in kept.headers.items()]
    return {
        "headers": "\n".join(lines),
        "body": _text(kept),
        "address": f"{endpoint_url(endpoint)}?{kept.query}" if kept.query else "",
        "call": kept.pk,
    }


def _kept(endpoint: WebhookEndpoint, pk: int | None) -> ReceivedWebhook | None:
    return endpoint.received.filter(pk=pk).first() if pk else None


def _text(kept: ReceivedWebhook) -> str:
    return bytes(kept.body).decode("utf-8", "replace").replace("\r\n", "\n")
