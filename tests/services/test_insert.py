"""Many rows in one statement on PostgreSQL, where the columns travel as arrays."""

import pytest

from tests.hub.lib.test_insert import (
    organization,
    test_a_row_reads_as_the_orm_would_have_written_it,
    test_rows_are_inserted_in_their_order_and_counted,
    test_times_are_kept_whatever_their_offset,
    test_too_long_a_text_is_refused_where_lengths_hold,
    test_what_is_there_already_is_left_out_and_of_several_the_first_counts,
    test_without_once_a_repetition_is_an_error,
)

pytestmark = [pytest.mark.services, pytest.mark.django_db]

__all__ = [
    "organization",
    "test_a_row_reads_as_the_orm_would_have_written_it",
    "test_rows_are_inserted_in_their_order_and_counted",
    "test_times_are_kept_whatever_their_offset",
    "test_too_long_a_text_is_refused_where_lengths_hold",
    "test_what_is_there_already_is_left_out_and_of_several_the_first_counts",
    "test_without_once_a_repetition_is_an_error",
]
