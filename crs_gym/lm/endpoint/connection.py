"""One request to a server: its deadline, its retries, the key, the size of the answer, and errors with a way out."""

from __future__ import annotations

import asyncio
import os
import random
import threading
from collections.abc import Coroutine, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, TypeVar

import httpx2
import msgspec

from crs_gym.errors import LanguageModelError

T = TypeVar("T")

MAX_ANSWER: Final = 4 * 2**20
"""Bytes of the longest answer that is taken (our choice; a text of 100,000 tokens is a tenth of it)."""

FIRST_PAUSE: Final = 0.25
"""Seconds before the first retry, at most; doubled for each further one (our choice)."""

MAX_PAUSE: Final = 30.0
"""The longest pause in seconds, even where a server asks for more."""

EXCERPT: Final = 300
"""Characters of a server's own words in an error."""

_PASSING: Final = frozenset({408, 409, 425, 429})
"""RefusedErrors that may pass, as those of 500 and above may."""

_jitter: Final = random.Random()
"""When a retry is sent decides no result, so it needs no key; the global generator is left alone."""


class RefusedError(LanguageModelError):
    """The server does not take this request (HTTP 400, 404 or 422): another form of it may be answered."""


class _FailedTryError(Exception):
    """One try came to nothing.

    Args:
        cause: What happened, and what to check.
        passing: Another try may succeed.
        pause: Seconds after which the server wants to be asked again.
        refused: The request itself is what the server does not take.
    """

    def __init__(self, cause: str, *, passing: bool, pause: float = 0.0, refused: bool = False) -> None:
        super().__init__(cause)
        self.passing = passing
        self.pause = pause
        self.refused = refused


class Key:
    """The key of a server, in an environment variable and nowhere else: it is looked up for each request.

    Args:
        variable: The variable's name. A server that needs no key needs no variable.
    """

    def __init__(self, variable: str) -> None:
        self.variable = variable

    @property
    def _value(self) -> str:
        return os.environ.get(self.variable, "").strip()

    def headers(self) -> dict[str, str]:
        """What says who asks.

        Raises:
            LanguageModelError: The key cannot be sent.
        """
        if not self._value:
            return {}
        if not (self._value.isascii() and self._value.isprintable()):
            raise LanguageModelError(f"the key in {self.variable} holds characters that cannot be sent: set it anew")
        return {"Authorization": f"Bearer {self._value}"}

    def hide(self, text: str) -> str:
        """`text` without the key, which some servers repeat."""
        return text.replace(self._value, "(the key)") if self._value else text

    def advice(self) -> str:
        """What to do when the server does not take it."""
        state = "is set, but not to a key of this server" if self._value else "is not set"
        return f"the environment variable {self.variable} {state}"


class Connection:
    """The open connections to one server, and the event loop that serves them in a thread of its own.

    It works from any thread, whether or not an event loop runs there, and in the process that made it only.

    Args:
        url: The server's base URL, up to and with `/v1`.
        key: The server's key.
        concurrency: Requests under way at once, over all threads.
        timeout: Seconds for one try of one request, from connecting to the last byte.
        retries: Further tries of a request that failed for a reason that may pass.
    """

    def __init__(self, url: str, key: Key, *, concurrency: int, timeout: float, retries: int) -> None:
        self.process = os.getpid()
        self._url = httpx2.URL(f"{url}/")
        self._key = key
        self._timeout = timeout
        self._retries = retries
        self._places = asyncio.Semaphore(concurrency)
        self._client = httpx2.AsyncClient(
            timeout=None,  # the deadline of a try covers all of it
            limits=httpx2.Limits(max_connections=concurrency, max_keepalive_connections=concurrency),
            headers={"Accept-Encoding": "identity", "Content-Type": "application/json"},
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="crs-gym endpoint", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` where the connections are, and wait for it; what interrupts the waiting ends the work."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        finally:
            future.cancel()

    def close(self) -> None:
        """End what is under way, and the thread. A copy in a forked process has neither, and closes nothing."""
        if self.process != os.getpid() or self._loop.is_closed():
            return
        if threading.current_thread() is self._thread:  # garbage is collected in any thread; here none may wait for it
            self._loop.stop()
            return
        self.run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._client.aclose()

    async def post(self, path: str, body: Mapping[str, object]) -> bytes:
        """The server's answer to one request.

        Args:
            path: Below the base URL.
            body: Sent as JSON.

        Raises:
            RefusedError: The server does not take this request.
            LanguageModelError: It did not answer, for another reason; the message says what to check.
        """
        content = msgspec.json.encode(body)
        tries = 0
        while True:
            tries += 1
            try:
                return await self._try(path, content)
            except _FailedTryError as failure:
                if not failure.passing or tries > self._retries:
                    kind = RefusedError if failure.refused else LanguageModelError
                    after = f" (tried {tries} times)" if tries > 1 else ""
                    raise kind(f"model {body.get('model')!r} at {self._url.join(path)}: {failure}{after}") from None
                pause = failure.pause or FIRST_PAUSE * 2 ** (tries - 1) * _jitter.uniform(0.5, 1.0)
            await asyncio.sleep(min(pause, MAX_PAUSE))

    async def _try(self, path: str, content: bytes) -> bytes:
        """Ask once."""
        async with self._places:
            try:
                async with (
                    asyncio.timeout(self._timeout),
                    self._client.stream(
                        "POST", self._url.join(path), content=content, headers=self._key.headers()
                    ) as response,
                ):
                    answer = await _within_limit(response)
            except TimeoutError:
                raise _FailedTryError(
                    f"no answer within {self._timeout:g} s: the server hangs or has too much to do; "
                    "lower `concurrency` or raise `timeout`",
                    passing=True,
                ) from None
            except httpx2.ConnectError as error:
                raise _FailedTryError(
                    f"cannot be reached ({self._excerpt(str(error))}): is the server up, and is this its base URL?",
                    passing=True,
                ) from None
            except httpx2.HTTPError as error:
                raise _FailedTryError(
                    f"broke off while answering ({type(error).__name__}): was the server stopped? Its log may say why",
                    passing=True,
                ) from None
        if response.is_success:
            return answer
        raise self._failure(response, answer)

    def _failure(self, response: httpx2.Response, answer: bytes) -> _FailedTryError:
        """What a status other than success means."""
        status = response.status_code
        if status in (401, 403):
            advice = self._key.advice()
        elif status == 404:
            advice = "is there such a model (GET …/models lists them), and does the base URL end in /v1?"
        elif status in (400, 422):
            advice = "the request is not one that this server takes"
        elif status == 429:
            advice = "too many requests: lower `concurrency`"
        elif status >= 500:
            advice = "the server failed: its log says why"
        else:
            advice = "is this the base URL of an OpenAI-compatible server?"
        words = self._excerpt(answer.decode("utf-8", "replace"))
        return _FailedTryError(
            f"HTTP {status}, {advice}" + (f". It says: {words}" if words else ""),
            passing=status in _PASSING or status >= 500,
            pause=_pause(response.headers.get("Retry-After", "")),
            refused=status in (400, 404, 422),
        )

    def _excerpt(self, text: str) -> str:
        """The beginning of a server's own words, on one line, without the key."""
        text = self._key.hide(text)[:EXCERPT]
        return " ".join("".join(c if c.isprintable() else " " for c in text).split())


async def _within_limit(response: httpx2.Response) -> bytes:
    """A response's body.

    Raises:
        _FailedTryError: It is longer than `MAX_ANSWER`.
    """
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > MAX_ANSWER:
            raise _FailedTryError(f"the answer is longer than {MAX_ANSWER} bytes; lower max_tokens", passing=False)
    return bytes(body)


def _pause(header: str) -> float:
    """The seconds that a `Retry-After` header asks for, 0 where it asks for none."""
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):  # no date, or one without a time zone
            return 0.0
    return max(seconds, 0.0) if seconds < float("inf") else 0.0
