"""A local web server that serves files under their published paths."""

from __future__ import annotations

import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Mirror(ThreadingHTTPServer):
    """Serves `paths`; counts what is asked for. `stall_after` bytes it stops sending, until `released`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.paths: dict[str, bytes] = {}
        self.asked: Counter[str] = Counter()
        self.stall_after: int | None = None
        self.stalled = threading.Event()
        self.released = threading.Event()
        self.failures: dict[str, int] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Mirror

    def do_GET(self) -> None:
        self.server.asked[self.path] += 1
        data = self.server.paths.get(self.path)
        if data is None or self.server.failures.get(self.path, 0) > 0:
            self.server.failures[self.path] = self.server.failures.get(self.path, 0) - 1
            self.send_error(404 if data is None else 503)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        stop = self.server.stall_after
        if stop is None:
            self.wfile.write(data)
            return
        self.wfile.write(data[:stop])
        self.wfile.flush()
        self.server.stalled.set()
        self.server.released.wait(timeout=30)

    def log_message(self, *_: object) -> None:
        pass
