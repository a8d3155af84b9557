"""Pages by key: nothing twice, nothing missed, whatever is added meanwhile."""

import pytest

from hub.accounts.models import Organization
from hub.lib.pagination import CursorError, keyset_page
from tests.factories import OrganizationFactory

pytestmark = pytest.mark.django_db


def walk(order: str, limit: int) -> list[int]:
    found: list[int] = []
    cursor = None
    while True:
        rows, cursor = keyset_page(Organization.objects.all(), cursor=cursor, limit=limit, order=order)
        found += [row.pk for row in rows]
        if cursor is None:
            return found


@pytest.mark.parametrize("order", ["id", "-id", "name", "-name", "-created_at", "-pk"])
@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8])
def test_every_row_comes_once_and_in_order(order: str, limit: int) -> None:
    for name in ("b", "a", "b", "c", "a", "b", "b"):
        OrganizationFactory(name=name)
    second = "-pk" if order.startswith("-") else "pk"
    assert walk(order, limit) == list(
        Organization.objects.order_by(order, second).values_list("pk", flat=True)
    )


def test_a_row_added_in_between_moves_no_page() -> None:
    for _ in range(4):
        OrganizationFactory()
    first, cursor = keyset_page(Organization.objects.all(), cursor=None, limit=2)
    OrganizationFactory()
    second, end = keyset_page(Organization.objects.all(), cursor=cursor, limit=2)
    assert end is None
    assert not {row.pk for row in first} & {row.pk for row in second}


def test_an_empty_list_has_one_empty_page() -> None:
    assert keyset_page(Organization.objects.all(), cursor="", limit=5) == ([], None)


@pytest.mark.parametrize(
    "cursor", ["x", "AAAA", "W10", "WyItaWQiLDEsMV0x", "ä", "WyItaWQiLG51bGwsbnVsbF0", "e30", "1" * 9]
)
def test_a_foreign_cursor_is_a_sentence(cursor: str) -> None:
    with pytest.raises(CursorError, match="not one that this list gave out"):
        keyset_page(Organization.objects.all(), cursor=cursor, limit=5)


def test_a_cursor_of_another_order_is_refused() -> None:
    OrganizationFactory.create_batch(3)
    _, cursor = keyset_page(Organization.objects.all(), cursor=None, limit=1, order="-id")
    with pytest.raises(CursorError):
        keyset_page(Organization.objects.all(), cursor=cursor, limit=1, order="name")


@pytest.mark.parametrize("limit", [0, -1, 501])
def test_the_limit_is_bounded(limit: int) -> None:
    with pytest.raises(ValueError, match="limit must be"):
        keyset_page(Organization.objects.all(), cursor=None, limit=limit)
