"""A local web server with the part of the Hugging Face hub's API that a download uses, in the hub's own form.

Small files are sent as they are; weights, as on the hub, by a redirect to another address, with the sha256 as the ETag.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(ThreadingHTTPServer):
    """Serves `models`: an id, and its files by name.

    Attributes:
        asked: How often each file's bytes were asked for.
        ranges: The `Range` headers of those requests, where there were any.
        cut_after: The next answers with weights end after so many bytes, though they promised all; one entry an answer.
        gated: Ids whose owner gives access on request.
        requests: How many requests of any kind have come.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.models: dict[str, dict[str, bytes]] = {}
        self.asked: Counter[str] = Counter()
        self.ranges: list[str] = []
        self.cut_after: list[int] = []
        self.gated: set[str] = set()
        self.requests = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def other_url(self) -> str:
        """The same server under another host's name: where the hub keeps what is large."""
        return f"http://localhost:{self.server_address[1]}"


@contextmanager
def serving() -> Iterator[Hub]:
    """A hub that runs, until the block ends."""
    server = Hub()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def sha1_of_blob(data: bytes) -> str:
    """The name that git gives to the file."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        self.server.requests += 1
        path = unquote(urlsplit(self.path).path)
        if found := re.fullmatch(r"/api/models/(.+?)/(revision|tree)/([^/]+)", path):
            self._describe(found[1], found[2], found[3])
        elif found := re.fullmatch(r"/(.+?)/resolve/([^/]+)/(.+)", path):
            self._resolve(found[1], found[2], found[3], body=body)
        elif found := re.fullmatch(r"/cdn/(.+)/([^/]+)", path):
            self._send_bytes(found[2], self.server.models[found[1]][found[2]], {}, body=body)
        else:
            self._refuse(404, "EntryNotFound")

    def _describe(self, name: str, what: str, revision: str) -> None:
        files = self.server.models.get(name)
        if files is None:
            self._refuse(401, "RepoNotFound")
        elif revision not in ("main", COMMIT):
            self._refuse(404, "RevisionNotFound")
        elif what == "revision":
            siblings = [{"rfilename": file} for file in files]
            self._send_json({"_id": "1", "id": name, "modelId": name, "sha": COMMIT, "siblings": siblings, "tags": []})
        else:
            self._send_json([_entry(file, data) for file, data in files.items()])

    def _resolve(self, name: str, revision: str, file: str, *, body: bool) -> None:
        data = self.server.models.get(name, {}).get(file)
        if name in self.server.gated:
            self._refuse(403, "GatedRepo")
        elif data is None or revision not in ("main", COMMIT):
            self._refuse(404, "EntryNotFound")
        elif file.endswith(".safetensors"):
            self.send_response(302)
            self.send_header("Location", f"{self.server.other_url}/cdn/{name}/{file}")
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("X-Linked-Size", str(len(data)))
            self.send_header("X-Linked-ETag", f'"{hashlib.sha256(data).hexdigest()}"')
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            marks = {"X-Repo-Commit": COMMIT, "ETag": f'"{sha1_of_blob(data)}"'}
            self._send_bytes(file, data, marks, body=body)

    def _send_bytes(self, file: str, data: bytes, headers: dict[str, str], *, body: bool) -> None:
        start = 0
        if body:
            self.server.asked[file] += 1
            if given := self.headers.get("Range"):
                self.server.ranges.append(given)
                start = int(re.findall(r"\d+", given)[0])
        self.send_response(206 if start else 200)
        for key, value in headers.items():
            self.send_header(key, value)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        if not body:
            return
        stop = len(data)
        if file.endswith(".safetensors") and self.server.cut_after:
            stop = start + self.server.cut_after.pop(0)
            self.close_connection = True
        self.wfile.write(data[start:stop])

    def _send_json(self, answer: object) -> None:
        data = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("X-Error-Message", f"refused: {code}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def _entry(file: str, data: bytes) -> dict[str, object]:
    entry: dict[str, object] = {"type": "file", "path": file, "size": len(data), "oid": sha1_of_blob(data)}
    if file.endswith(".safetensors"):
        entry["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}
    return entry
