"""`EndpointModel`: the language model of a server."""

from __future__ import annotations

import asyncio
import os
import weakref
from collections.abc import Callable, Coroutine, Hashable, Mapping, Sequence
from concurrent.futures import CancelledError
from dataclasses import replace
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlsplit

import msgspec
import numpy as np
from numpy.typing import NDArray

from crs_gym.errors import LanguageModelError, WeightsError
from crs_gym.lm.endpoint import words as probabilities
from crs_gym.lm.endpoint.protocol import (
    CHAT_PATH,
    TEXT_PATH,
    Answer,
    Request,
    answer,
    read_requests,
    sampled,
    told_to_begin,
    whole_request,
    without_beginning,
)
from crs_gym.lm.interface import Chat, Generation, Prompt, Sampling, until_stop
from crs_gym.numeric import DoubleArray
from crs_gym.randomness import derived_key

if TYPE_CHECKING:
    from crs_gym.lm.endpoint.abilities import Reading
    from crs_gym.lm.endpoint.connection import Connection

T = TypeVar("T")

FORMAT_VERSION: Final = 1
"""Part of the revision: rises when what is sent, or how an answer is read, changes."""


class EndpointModel:
    """A model behind a server that speaks OpenAI's protocol, with many requests at once.

    A `Chat` goes to `/chat/completions`, where the server writes it in the model's chat format; a `Prompt` goes to
    `/completions`. A request that fails for a reason that may pass (no connection, a deadline, a status of 408, 409,
    425, 429 or from 500 on) is made again after a pause that doubles, with jitter, or that the server asked for. A
    row that stays without an answer holds the reason; the others go on.

    What a server can do is found out at first use (see `abilities.py`):

    - Probabilities of words are log-probabilities of the 20 most probable next tokens, where the server gives them: by
      token id from vLLM, by text from others. A word below these gets at most what they leave. Where the server gives
      none (`transformers serve`, some models of OpenAI), the model writes up to 8 tokens at temperature 0, and the
      word that it writes gets 0.9: a stand-in, of which a warning tells.
    - `Chat.prefix` is gone on with where the server can (vLLM, SGLang). Another one is told to begin with it, of which
      a warning tells; a row that is to be read behind a prefix holds an error there.
    - `min_p` is left out for a server that refuses it, of which a warning tells.
    - A seed made from the row's key is sent. Most servers that know it give the same text again, but none is bound to,
      and one that batches requests may differ by rounding.

    - A temperature is sent, but `transformers serve` draws only where the model's own settings say so; else give
      `extra_body={"generation_config": '{"do_sample": true}'}`.

    Special tokens in a prompt are broken up by a space (`< |im_end|>`), since a server would read them as such.

    Args:
        url: The base URL, up to and with `/v1`, e.g. `http://localhost:8000/v1`.
        model: The model's name at the server.
        concurrency: Requests under way at once, over all threads.
        timeout: Seconds for one try of one request.
        retries: Further tries of a request that failed for a reason that may pass.
        key_variable: The environment variable that holds the key, where the server wants one. The key is read for each
            request, and is nowhere else.
        extra_body: Further fields for each request, e.g. `{"chat_template_kwargs": {"enable_thinking": False}}`.

    Raises:
        ValueError: An argument is out of range.
        WeightsError: The package for connections is not installed.
    """

    def __init__(
        self,
        url: str,
        model: str,
        *,
        concurrency: int = 16,
        timeout: float = 60.0,
        retries: int = 3,
        key_variable: str = "OPENAI_API_KEY",
        extra_body: Mapping[str, object] | None = None,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("url: must be a base URL such as http://localhost:8000/v1")
        if parts.username is not None or parts.password is not None:
            raise ValueError("url: holds a name or password; put the key into an environment variable (`key_variable`)")
        if concurrency < 1 or not timeout > 0.0 or retries < 0:
            raise ValueError(
                f"concurrency={concurrency} must be at least 1, timeout={timeout} above 0, retries={retries} at least 0"
            )
        try:
            msgspec.json.encode(extra_body)
        except (TypeError, UnicodeEncodeError) as error:
            raise ValueError(f"extra_body: cannot be written as JSON ({error})") from error
        try:
            from crs_gym.lm.endpoint.abilities import Abilities
            from crs_gym.lm.endpoint.connection import Connection, Key
        except ModuleNotFoundError as error:
            raise WeightsError(
                f'a language model at an endpoint needs {error.name}: pip install "crs-gym[endpoint]"'
            ) from error
        self._url = url.rstrip("/")
        self._model = model
        self._extra = dict(extra_body or {})
        self._settings: dict[str, Any] = {
            "concurrency": concurrency,
            "timeout": timeout,
            "retries": retries,
            "key_variable": key_variable,
            "extra_body": self._extra,
        }
        self._connect = partial(
            Connection, self._url, Key(key_variable), concurrency=concurrency, timeout=timeout, retries=retries
        )
        self._find_out = partial(Abilities, model, self._ask, self._post)
        self._abilities = self._find_out()
        self._connection: Connection | None = None
        self._lock = Lock()

    def __repr__(self) -> str:
        return f"EndpointModel({self._url!r}, {self._model!r})"

    def __reduce__(self) -> tuple[Callable[..., EndpointModel], tuple[()]]:
        """Another process makes connections of its own."""
        return partial(EndpointModel, self._url, self._model, **self._settings), ()

    def __enter__(self) -> EndpointModel:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections, and end what is under way. A later call opens new ones."""
        with self._lock:
            connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    @property
    def revision(self) -> str:
        """A hash of the model's name, the name that the server gives it, and how its answers are read; not of the URL.

        Weights that change under an unchanged name are not noticed.

        Raises:
            LanguageModelError: The server does not answer.
        """
        return self._run(self._revision())

    async def _revision(self) -> str:
        from crs_gym.lm.endpoint.connection import RefusedError

        try:
            reading, served = await self._abilities.reading(CHAT_PATH)
        except RefusedError:  # a model without a chat format
            reading, served = await self._abilities.reading(TEXT_PATH)
        extra = msgspec.json.encode(self._extra, order="deterministic").decode()
        key = derived_key("endpoint", FORMAT_VERSION, self._model, served, reading.value, extra)
        return f"endpoint-{key:032x}"

    def read(
        self, prompts: Sequence[Prompt | Chat], words: Sequence[str], *, slots: Sequence[Hashable] | None = None
    ) -> list[DoubleArray | LanguageModelError]:
        """See `crs_gym.lm.interface.LanguageModel`. `slots` are not used: servers keep what prompts share."""
        del slots
        return self._rows([self._read(prompt, words) for prompt in prompts])

    async def _read(self, prompt: Prompt | Chat, words: Sequence[str]) -> DoubleArray:
        """`(n_reads, n_words)`."""
        requests = read_requests(self._model, prompt)
        if not requests:
            nothing: NDArray[Any] = np.empty((0, len(words)))
            return nothing
        reading, _ = await self._abilities.reading(requests[0].path)
        if isinstance(prompt, Chat) and prompt.prefix and not await self._abilities.continues():
            from crs_gym.lm.endpoint.abilities import NO_PREFIX

            raise LanguageModelError(f"model {self._model!r}: {NO_PREFIX}")
        names = await self._abilities.names(reading, words)
        replies = await asyncio.gather(*(self._ask(reading.asking(request)) for request in requests))
        return np.stack([_read_off(reading, reply, names, words) for reply in replies])

    def generate(
        self,
        prompts: Sequence[Prompt | Chat],
        sampling: Sampling,
        keys: Sequence[int],
        *,
        slots: Sequence[Hashable] | None = None,
    ) -> list[Generation | LanguageModelError]:
        """See `crs_gym.lm.interface.LanguageModel`. `slots` are not used: servers keep what prompts share."""
        del slots
        pairs = list(zip(prompts, keys, strict=True))
        return self._rows([self._generate(prompt, sampling, key) for prompt, key in pairs])

    async def _generate(self, prompt: Prompt | Chat, sampling: Sampling, key: int) -> Generation:
        told = ""
        if isinstance(prompt, Chat) and prompt.prefix and not await self._abilities.continues():
            prompt, told = told_to_begin(prompt), prompt.prefix
        request = whole_request(self._model, prompt)
        if sampling.min_p > 0.0 and not await self._abilities.takes_min_p(request):
            sampling = replace(sampling, min_p=0.0)
        reply = await self._ask(sampled(request, sampling, key))
        text, stopped = until_stop(without_beginning(reply.text, told) if told else reply.text, sampling.stop)
        return Generation(text, stopped or reply.finished)

    def forget(self, slots: Sequence[Hashable]) -> None:
        """Nothing is kept here for a dialogue."""

    async def _ask(self, request: Request) -> Answer:
        return answer(request, await self._post(request.path, {**request.body, **self._extra}))

    async def _post(self, path: str, body: Mapping[str, object]) -> bytes:
        return await self._open().post(path, body)

    def _rows(self, rows: Sequence[Coroutine[Any, Any, T]]) -> list[T | LanguageModelError]:
        """Answer all rows at once; where one fails, its reason stands in its place."""

        async def all_rows() -> list[T | LanguageModelError]:
            return list(await asyncio.gather(*(_or_error(row) for row in rows)))

        try:
            return self._run(all_rows())
        except CancelledError:
            return [LanguageModelError(f"{self!r} was closed before it had answered") for _ in rows]

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._open().run(work)

    def _open(self) -> Connection:
        """The connections of this process: a forked one must not use its parent's."""
        with self._lock:
            if self._connection is None or self._connection.process != os.getpid():
                self._connection, self._abilities = self._connect(), self._find_out()
                weakref.finalize(self, self._connection.close)
            return self._connection


async def _or_error(row: Coroutine[Any, Any, T]) -> T | LanguageModelError:
    try:
        return await row
    except LanguageModelError as error:
        return LanguageModelError(*error.args)  # without the frames that it came through, since it is kept


def _read_off(reading: Reading, reply: Answer, names: Sequence[Sequence[str]], words: Sequence[str]) -> DoubleArray:
    """`(n_words,)` from one answer."""
    from crs_gym.lm.endpoint.abilities import Reading

    if reading is Reading.TEXT:
        return probabilities.from_text(reply.text, words)
    return probabilities.from_top(reply.top, names)
