"""A receiver on loopback that keeps which idempotency keys reached it."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Sink:
    """Counts the ``webhook-id`` of every message that it answered."""

    def __init__(self, port: int):
        self.port = port
        self.url = f"http://127.0.0.1:{port}/"
        self.host = f"127.0.0.1:{port}"
        self.keys: Counter[str] = Counter()
        #: What came under each key; a repetition must say the same.
        self.bodies: dict[str, set[bytes]] = {}
        #: When each key came first, by ``time.monotonic``.
        self.first: dict[str, float] = {}
        #: Every message: when it came (``time.monotonic``), its body, and how it was answered.
        self.calls: list[tuple[float, bytes, int]] = []


@contextmanager
def listening(status: Callable[[bytes], int] = lambda body: 200) -> Iterator[Sink]:
    """Run a sink for as long as the block lasts; ``status`` says how a message is answered."""
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            if len(body) < length:  # whoever sent it was killed half way
                self.close_connection = True
                return
            at = time.monotonic()
            answer = status(body)
            with lock:
                sink.calls.append((at, body, answer))
                sink.keys[self.headers["webhook-id"]] += 1
                sink.first.setdefault(self.headers["webhook-id"], time.monotonic())
                sink.bodies.setdefault(self.headers["webhook-id"], set()).add(body)
            self.send_response(answer)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None:
            """Keep the tests' output quiet."""

    class Server(ThreadingHTTPServer):
        #: Connections that may wait to be accepted: beyond them the system lets one come a second late.
        request_queue_size = 1024

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # a sender that was killed is what the tests are about
    sink = Sink(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield sink
    finally:
        server.shutdown()
        server.server_close()
