"""``python -m bench.syncing.far_side``: a CRM with a batch endpoint and pages to read, each answer after a
wait that its address names, and a count of what came.

Prints its port. ``POST /…/batch/upsert`` waits ``PUSH_WAIT``, a page waits ``PAGE_WAIT`` seconds.
"""

import asyncio
import os
import sys
import time
from urllib.parse import parse_qs, urlsplit

import orjson

PUSH_WAIT = float(os.environ.get("BENCH_PUSH_WAIT", "0.05"))
PAGE_WAIT = float(os.environ.get("BENCH_PAGE_WAIT", "0.02"))
PAGE = 100


class Far:
    """What it has seen: when each call came, and how often each row."""

    def __init__(self) -> None:
        self.calls: list[float] = []
        self.rows: dict[str, int] = {}
        self.pages = 0
        self.total = 0

    async def answer(self, method: str, target: str, body: bytes) -> bytes:
        """Return the JSON that a request gets."""
        parts = urlsplit(target)
        if parts.path == "/_reset":
            self.__init__()  # type: ignore[misc]
            self.total = int(body or b"0")
            return b"{}"
        if parts.path == "/_seen":
            return orjson.dumps(self._seen())
        if method == "POST":
            self.calls.append(time.monotonic())
            inputs = orjson.loads(body)["inputs"]
            await asyncio.sleep(PUSH_WAIT)
            return self._take(inputs)
        if "archived" in parts.query:
            return b'{"results":[]}'
        self.pages += 1
        await asyncio.sleep(PAGE_WAIT)
        return self._page(int((parse_qs(parts.query).get("after") or ["0"])[0]))

    def _take(self, inputs: list[dict]) -> bytes:
        for one in inputs:
            self.rows[one["id"]] = self.rows.get(one["id"], 0) + 1
        results = [
            {"id": str(position), "new": True, "objectWriteTraceId": one["objectWriteTraceId"]}
            for position, one in enumerate(inputs)
        ]
        return orjson.dumps({"status": "COMPLETE", "results": results})

    def _page(self, begin: int) -> bytes:
        end = min(begin + PAGE, self.total)
        results = [
            {
                "id": str(n),
                "properties": {"email": f"far{n}@example.com", "firstname": f"First{n}", "lastname": "Last"},
                "createdAt": "2026-01-01T00:00:00Z",
                "updatedAt": "2026-01-01T00:00:00Z",
                "archived": False,
            }
            for n in range(begin, end)
        ]
        paging = {"paging": {"next": {"after": str(end)}}} if end < self.total else {}
        return orjson.dumps({"results": results, **paging})

    def _seen(self) -> dict:
        return {
            "calls": len(self.calls),
            "pages": self.pages,
            "rows": len(self.rows),
            "repeated": sum(times - 1 for times in self.rows.values()),
            "most_in_a_second": most_within(self.calls, 1.0),
            "span": self.calls[-1] - self.calls[0] if self.calls else 0.0,
        }


def most_within(times: list[float], seconds: float) -> int:
    """Return the most of the ascending ``times`` that lie within any span of ``seconds``."""
    most = first = 0
    for last, moment in enumerate(times):
        while moment - times[first] >= seconds:
            first += 1
        most = max(most, last - first + 1)
    return most


async def serve(far: Far) -> None:
    """Serve until ended."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ", 2)
                length = next(
                    (
                        int(line[15:])
                        for line in head.split(b"\r\n")
                        if line[:15].lower() == b"content-length:"
                    ),
                    0,
                )
                body = await reader.readexactly(length) if length else b""
                answer = await far.answer(method, target, body)
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                    % (len(answer), answer)
                )
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(Far()))
