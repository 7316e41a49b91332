"""Servers for tests: a tiny model behind `transformers serve` and behind vLLM's dialect; a spoiling proxy."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class TransformersServer:
    """`transformers serve` in a process of its own."""

    def __init__(self, model: str, log: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/v1"
        self.log = log
        self._model = model
        self.start()

    def start(self) -> None:
        """Also again, on the same port."""
        command = [Path(sys.executable).with_name("transformers"), "serve", self._model, "--host", "127.0.0.1"]
        quiet = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                [*command, "--port", str(self.port), "--device", "cpu"],
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, **quiet},
            )

    def ready(self, within: float = 600.0) -> TransformersServer:
        """Wait until it answers."""
        deadline = time.monotonic() + within
        while not self._healthy():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"transformers serve did not start:\n{self.log.read_text()}")
            time.sleep(0.05)
        return self

    def _healthy(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def requests_received(self) -> int:
        """By its log."""
        return self.log.read_text(errors="replace").count("[Request received]")

    def kill(self) -> None:
        """SIGKILL."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def until(condition: Callable[[], object], within: float = 60.0) -> None:
    """Wait for something that is sure to come."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.01)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any

    def do_POST(self) -> None:
        self.server.owner.answer(self, self.rfile.read(int(self.headers["Content-Length"])))

    def reply(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def cut(self) -> None:
        """Close the connection without a further word."""
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_: object) -> None:
        pass


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, owner: Any) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.owner = owner
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def handle_error(self, *_: object) -> None:
        pass  # a client that went away


class LocalServer:
    """Answers requests on a port of its own, each in a thread."""

    def __init__(self) -> None:
        self._listener = _Listener(self)
        self.url = f"http://127.0.0.1:{self._listener.server_port}/v1"

    def answer(self, handler: _Handler, body: bytes) -> None:
        raise NotImplementedError

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown()
        self._listener.server_close()


Spoil = Callable[[_Handler, Callable[[], None]], None]
"""Answers a request in place of the server; called with what would forward it."""


class Proxy(LocalServer):
    """Hands requests on to a server, and counts them.

    Attributes:
        spoils: What happens to the next requests, first to last; those behind are forwarded.
        always: What happens to each request where `spoils` is empty.
        in_flight: Requests under way now.
        most: The most that ever were.
        bodies: What was asked.
    """

    def __init__(self, port: int) -> None:
        super().__init__()
        self._port = port
        self._lock = threading.Lock()
        self.spoils: deque[Spoil] = deque()
        self.always: Spoil | None = None
        self.in_flight = 0
        self.most = 0
        self.bodies: list[dict[str, Any]] = []

    def answer(self, handler: _Handler, body: bytes) -> None:
        with self._lock:
            self.bodies.append(json.loads(body))
            self.in_flight += 1
            self.most = max(self.most, self.in_flight)
            spoil = self.spoils.popleft() if self.spoils else self.always
        try:
            if spoil is None:
                self._forward(handler, body)
            else:
                spoil(handler, lambda: self._forward(handler, body))
        finally:
            with self._lock:
                self.in_flight -= 1

    def _forward(self, handler: _Handler, body: bytes) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        try:
            connection.request("POST", handler.path, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            handler.reply(response.status, response.read())
        finally:
            connection.close()


def status(code: int, body: bytes = b'{"error": {"message": "spoilt"}}', **headers: str) -> Spoil:
    return lambda handler, _: handler.reply(code, body, headers)


class ReferenceServer(LocalServer):
    """The tiny model with vLLM's fields: log-probabilities, going on with a message, and the tokenizer.

    Args:
        model: The folder of the model.
        ids: Knows `return_tokens_as_token_ids`, and tokenizes.
        continues: Knows `continue_final_message`; else it passes over it.
    """

    def __init__(self, model: str, *, ids: bool = True, continues: bool = True) -> None:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        self.model = AutoModelForCausalLM.from_pretrained(model)
        self.tokenizer = AutoTokenizer.from_pretrained(model)
        self._ids = ids
        self._continues = continues
        self._lock = threading.Lock()
        super().__init__()

    def log_probabilities(self, tokens: list[int]) -> Any:
        """`(vocabulary,)` of the token that follows."""
        import torch

        with torch.inference_mode(), self._lock:
            return torch.log_softmax(self.model(torch.tensor([tokens])).logits[0, -1].double(), -1)

    def chat_tokens(self, messages: list[dict[str, str]], *, go_on: bool) -> list[int]:
        """The tokens of a chat."""
        return list(
            self.tokenizer.apply_chat_template(
                messages, add_generation_prompt=not go_on, continue_final_message=go_on, return_dict=False
            )
        )

    def answer(self, handler: _Handler, body: bytes) -> None:
        request = json.loads(body)
        if handler.path == "/tokenize" and self._ids:
            tokens = self.tokenizer.encode(request["prompt"], add_special_tokens=request["add_special_tokens"])
            handler.reply(200, json.dumps({"count": len(tokens), "max_model_len": 2048, "tokens": tokens}).encode())
            return
        if handler.path not in ("/v1/chat/completions", "/v1/completions"):
            handler.reply(404, b'{"detail":"Not Found"}')
            return
        chat = handler.path == "/v1/chat/completions"
        if chat:
            go_on = self._continues and request.get("continue_final_message", False)
            tokens = self.chat_tokens(request["messages"], go_on=go_on)
        else:
            tokens = self.tokenizer.encode(request["prompt"], add_special_tokens=False)
        values = self.log_probabilities(tokens)
        best = values.topk(request.get("top_logprobs" if chat else "logprobs") or 1)
        named = request.get("return_tokens_as_token_ids") and self._ids
        top = [
            (f"token_id:{token}" if named else self.tokenizer.decode([token]), value)
            for token, value in zip(best.indices.tolist(), best.values.tolist(), strict=True)
        ]
        text = self.tokenizer.decode(best.indices[:1].tolist())
        choice: dict[str, Any] = {"index": 0, "finish_reason": "length"}
        if chat:
            choice["message"] = {"role": "assistant", "content": text}
            listed = [{"token": token, "logprob": value, "bytes": None} for token, value in top]
            choice["logprobs"] = {"content": [{**listed[0], "top_logprobs": listed}]} if "logprobs" in request else None
        else:
            choice["text"] = text
            choice["logprobs"] = {"tokens": [text], "top_logprobs": [dict(top)]} if "logprobs" in request else None
        usage = {"prompt_tokens": len(tokens), "completion_tokens": 1, "total_tokens": len(tokens) + 1}
        handler.reply(200, json.dumps({"model": "tiny", "choices": [choice], "usage": usage}).encode())
