"""The built-in sandbox on a port of its own, for tests that go through real sockets."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from integrations.base.provider import Provider
from integrations.base.sandbox import Sandbox, make


@contextmanager
def playing(*played: Provider) -> Iterator[tuple[Sandbox, str]]:
    """Serve a sandbox of the providers that are named, or of every one; yields it and its address."""
    app = Sandbox({provider.slug: provider for provider in played} or None)
    server = make("127.0.0.1", 0, app)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield app, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
