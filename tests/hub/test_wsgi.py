"""What leaves the web process: whole answers at once, streams piece by piece, nothing left open."""

from collections.abc import Iterable
from typing import Any

import pytest
from django.core.signals import request_finished
from django.http import HttpResponse, StreamingHttpResponse

from hub.wsgi import at_once


def answered(response: Any) -> tuple[Iterable[bytes], list[object]]:
    """Return what the server gets for ``response``, and what was told to be finished by then."""
    finished: list[object] = []

    def note(**told: object) -> None:
        finished.append(told["sender"])

    response._handler_class = "this call"
    request_finished.connect(note)
    try:
        return at_once(lambda environ, start: response)({}, None), finished
    finally:
        request_finished.disconnect(note)


@pytest.mark.django_db
def test_a_whole_answer_is_a_list_and_its_request_is_finished() -> None:
    body, finished = answered(HttpResponse(b"whole"))
    assert body == [b"whole"]
    assert finished == ["this call"]


def test_a_stream_stays_one_until_the_server_has_sent_it() -> None:
    stream = StreamingHttpResponse([b"in ", b"parts"])
    body, finished = answered(stream)
    assert body is stream
    assert finished == []
