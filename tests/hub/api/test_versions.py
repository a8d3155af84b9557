"""Every change of configuration names the version that it means: each PATCH, PUT and DELETE there is."""

from typing import Any

import pytest

from hub.lib import throttle
from tests import factories as make
from tests.hub.api.conftest import API
from tests.hub.api.test_problems import check
from tests.security.addresses import operations, photograph

pytestmark = pytest.mark.django_db
#: What is no configuration, and what a sender of REST hooks calls, who knows no versions.
FREE = {
    ("put", "/api/records/{type}/{key}"),
    ("delete", "/api/records/{type}/{key}"),
    ("delete", "/api/subscriptions/unsubscribe"),
}
#: Need no version, but heed one.
OPTIONAL = {("delete", "/api/subscriptions/{id}")}
URL = {"url": "https://api.example.com/hook"}
CHANGES = [
    (method, path)
    for method, path, _ in operations()
    if method in ("patch", "put", "delete") and (method, path) not in FREE
]


def address(api: API, path: str) -> str:
    """Make what is to be changed, which nothing needs; return its address."""
    own = api.organization
    made: dict[str, Any] = {
        "{integration}": lambda: make.IntegrationFactory(organization=own, settings=URL).slug,
        "{mapping}": lambda: make.FieldMappingFactory(organization=own).slug,
        "{route}": lambda: make.RouteFactory(organization=own).slug,
        "{endpoint}": lambda: make.WebhookEndpointFactory(integration__organization=own).slug,
        "{id}": lambda: make.subscription(own)[0].pk,
    }
    for name, maker in made.items():
        if name in path:
            return path.replace(name, str(maker()))
    return path


def body(api: API, method: str) -> Any:
    return {"patch": {}, "put": {"organization": {"slug": api.organization.slug}}, "delete": b""}[method]


@pytest.mark.parametrize(("method", "path"), CHANGES)
def test_only_who_knows_the_present_version_changes_it(api: API, method: str, path: str) -> None:
    url = address(api, path)
    tag = api.get(url).headers["ETag"]
    before = photograph()

    def change(**headers: str) -> Any:
        throttle.forget()
        return api.send(method.upper(), url, body(api, method), **headers)

    if (method, path) not in OPTIONAL:
        check(change(), 428)
        check(change(If_Match=""), 428)
    check(change(If_Match='"0123456789abcdef0123456789abcdef"'), 412)
    check(change(If_Match="no tag"), 412)
    assert photograph() == before
    assert change(If_Match=f'"another", {tag}').status_code in (200, 204)


@pytest.mark.parametrize(
    ("method", "path"), [(method, path) for method, path in CHANGES if method == "patch"]
)
def test_a_version_holds_until_something_changes(api: API, method: str, path: str) -> None:
    url = address(api, path)
    tag = api.get(url).headers["ETag"]
    assert api.get(url).headers["ETag"] == tag

    changed = api.patch(url, {"name": "Another name"}, tag)

    assert changed.status_code == 200, changed.text
    assert changed.headers["ETag"] == api.get(url).headers["ETag"] != tag
    check(api.patch(url, {"name": "A third"}, tag), 412)
