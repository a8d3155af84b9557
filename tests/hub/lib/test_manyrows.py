"""Many rows by few statements: none is left out, whatever their number, and what each came to is counted."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import IntegrityError, connection

from hub.lib.manyrows import SIZES, literals, run_many

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def numbers() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE numbers (n INTEGER PRIMARY KEY, told TEXT)")
        yield
        cursor.execute("DROP TABLE temp.numbers")


def inserting(values: str) -> str:
    return f"INSERT INTO numbers (n, told) {values} ON CONFLICT DO NOTHING"


def telling(values: str) -> str:
    return f"UPDATE numbers SET told = column2 FROM ({values}) WHERE n = column1"


def there() -> list[tuple[int, str]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT n, told FROM numbers ORDER BY n")
        return cursor.fetchall()


@pytest.mark.parametrize(
    "count", [0, 1, 3, SIZES[-2], SIZES[0] - 1, SIZES[0], SIZES[0] + 1, 3 * SIZES[0] + 21]
)
def test_all_rows_are_inserted_and_changed(count: int) -> None:
    assert run_many(inserting, [(n, "new") for n in range(count)]) == count
    assert run_many(telling, [(n, f"changed {n}") for n in range(count)]) == count
    assert there() == [(n, f"changed {n}") for n in range(count)]


def test_only_what_came_of_it_is_counted() -> None:
    run_many(inserting, [(n, "first") for n in range(0, 100, 2)])
    assert run_many(inserting, [(n, "second") for n in range(100)]) == 50
    assert run_many(telling, [(n, "nobody") for n in range(100, 200)]) == 0
    assert [told for _, told in there()] == ["first", "second"] * 50


def test_a_row_that_cannot_be_is_told_as_django_tells_it() -> None:
    with pytest.raises(IntegrityError):
        run_many(lambda values: f"INSERT INTO numbers (n, told) {values}", [(1, "a"), (1, "b")])


@pytest.mark.parametrize(
    ("constant", "kept"), [("it's", "it's"), ("", ""), (None, None), (7, "7"), (1.5, "1.5"), (True, "1")]
)
def test_constants_are_the_last_columns_of_each_row(constant: Any, kept: str | None) -> None:
    assert run_many(inserting, [(n,) for n in range(SIZES[0] + 3)], literals([constant])) == SIZES[0] + 3
    assert {told for _, told in there()} == {kept}


def test_what_cannot_stand_in_a_text_is_refused() -> None:
    with pytest.raises(TypeError, match="bytes"):
        literals([b"x"])
