"""The one view that webhooks come in by."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt

from webhooks.receive import receive


@csrf_exempt
@never_cache
def call(request: HttpRequest, token: str) -> HttpResponse:
    """Take one call; the token in the address finds the endpoint."""
    return receive(request, token)
