"""The demo's switch, on the page of its organization."""

from django.http import HttpRequest

from hub.accounts.models import Organization, Role
from hub.accounts.pages import Deed, Told, register_deed
from hub.config.models import DemoTraffic


def _is_on(organization: Organization) -> bool:
    return DemoTraffic.objects.filter(organization=organization, running=True).exists()


def _is_off(organization: Organization) -> bool:
    return DemoTraffic.objects.filter(organization=organization, running=False).exists()


def _switch(organization: Organization, on: bool) -> None:
    DemoTraffic.objects.filter(organization=organization).update(running=on)


def _stop(request: HttpRequest, organization: Organization) -> Told:
    _switch(organization, on=False)
    return Told("The demo sends no more sample events. What is in the queue is still delivered.")


def _start(request: HttpRequest, organization: Organization) -> Told:
    _switch(organization, on=True)
    return Told("The demo sends a sample event about every minute, and now and then a webhook.")


register_deed(
    Organization,
    Deed("stop-demo", "Stop the demo's traffic", "pause", role=Role.OPERATOR, when=_is_on, run=_stop),
)
register_deed(
    Organization,
    Deed(
        "start-demo", "Start the demo's traffic", "play_arrow", role=Role.OPERATOR, when=_is_off, run=_start
    ),
)
