"""What a server turns out to be able to do. It is asked once, with requests of one token."""

from __future__ import annotations

import asyncio
import re
import warnings
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from enum import Enum
from functools import partial
from typing import Any, Final, TypeVar

import msgspec

from crs_gym.errors import LanguageModelError
from crs_gym.lm.endpoint.connection import RefusedError
from crs_gym.lm.endpoint.protocol import CHAT_PATH, TOKENIZE_PATH, TOP, Answer, Request, chat_request, text_request
from crs_gym.lm.interface import Chat, ChatMessage

WRITTEN_TOKENS: Final = 8
"""The longest text, in tokens, in which a word is looked for where a server gives no log-probabilities."""

CONTINUED: Final = 2
"""A prefix of one letter makes a prompt that is gone on with at most this many tokens longer; a closed message and the
opening of the next one make it longer than that."""

NO_PREFIX: Final = (
    "this server does not go on with a message of the assistant (`Chat.prefix`), so no probabilities can be read "
    "behind one: vLLM and SGLang do; else use prompts without a prefix"
)

_TOKEN_ID: Final = re.compile(r"token_id[:_]\d+")

_HELLO: Final = (ChatMessage("user", "Hello"),)

T = TypeVar("T")
Ask = Callable[[Request], Awaitable[Answer]]
Post = Callable[[str, Mapping[str, object]], Awaitable[bytes]]


class Reading(Enum):
    """How the probabilities of the next token are had from a server."""

    IDS = "ids"
    """As log-probabilities of token ids; words are tokenized by the server (vLLM). Exact for all in the top."""

    TOKENS = "tokens"
    """As log-probabilities of tokens' texts. A word that is not one token by itself is not found."""

    TEXT = "text"
    """Not at all: the model writes, and its word stands for the probabilities."""

    def asking(self, request: Request) -> Request:
        """The request for one read. Temperature 1, so that no server changes the probabilities."""
        if self is Reading.TEXT:
            return request.asking(max_tokens=WRITTEN_TOKENS, temperature=0.0)
        top = {"logprobs": True, "top_logprobs": TOP} if request.path == CHAT_PATH else {"logprobs": TOP}
        ids = {"return_tokens_as_token_ids": True} if self is Reading.IDS else {}
        return request.asking(max_tokens=1, temperature=1.0, top_p=1.0, seed=0, **top, **ids)

    def given_by(self, reply: Answer) -> bool:
        """The server did give them in this way; some pass over fields that they do not know."""
        if self is Reading.IDS:
            return bool(reply.top) and all(_TOKEN_ID.fullmatch(token) for token in reply.top)
        return self is Reading.TEXT or bool(reply.top)


class _Tokenized(msgspec.Struct):
    tokens: list[int]


class Abilities:
    """What one server can do with one model. What it told is kept; a request that failed is made again next time.

    Args:
        model: The model's name.
        ask: Sends a request for text.
        post: Sends any request.
    """

    def __init__(self, model: str, ask: Ask, post: Post) -> None:
        self._model = model
        self._ask = ask
        self._post = post
        self._found: dict[str, asyncio.Future[Any]] = {}

    async def _once(self, what: str, find: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What `find` finds. All rows that want to know wait for one search; one that failed is forgotten."""
        if what not in self._found:
            self._found[what] = asyncio.ensure_future(find())
            self._found[what].add_done_callback(partial(self._forget_failed, what))
        found: T = await asyncio.shield(self._found[what])
        return found

    def _forget_failed(self, what: str, search: asyncio.Future[Any]) -> None:
        if search.cancelled() or search.exception() is not None:
            self._found.pop(what, None)

    async def reading(self, path: str) -> tuple[Reading, str]:
        """How probabilities are read on one path, and the model that the server says it is.

        Raises:
            LanguageModelError: The server does not answer.
        """
        return await self._once(path, lambda: self._find_reading(path))

    async def _find_reading(self, path: str) -> tuple[Reading, str]:
        hello = chat_request(self._model, Chat(_HELLO)) if path == CHAT_PATH else text_request(self._model, "Hello")
        why = ""
        for reading in (Reading.IDS, Reading.TOKENS):
            try:
                reply = await self._ask(reading.asking(hello))
                if reading is Reading.IDS and reading.given_by(reply):
                    await self._first_token("Hello")
            except RefusedError as refusal:
                why = str(refusal)
                continue
            if reading.given_by(reply):
                return reading, reply.model
            why = "it passes over the request for them"
        reply = await self._ask(hello.asking(max_tokens=1))
        warnings.warn(
            f"model {self._model!r}: this server gives no log-probabilities ({why}). Words are read from what the "
            "model writes instead, which does not tell how sure it is; vLLM gives them",
            stacklevel=2,
        )
        return Reading.TEXT, reply.model

    async def continues(self) -> bool:
        """Whether the server goes on with the assistant's message, by the length of the prompt that it reports.

        A server that passes over the fields for it would close the message and begin another one.
        """
        return await self._once("continuing", self._find_continuing)

    async def _find_continuing(self) -> bool:
        lengths: list[int] = []
        why = "it closes the message and begins another"
        for prefix in ("", "A"):
            try:
                reply = await self._ask(chat_request(self._model, Chat(_HELLO, prefix)).asking(max_tokens=1))
            except RefusedError as refusal:
                if not prefix:
                    raise
                why = str(refusal)
                break
            if reply.prompt_tokens is None:
                why = "it does not say how long a prompt is, so it cannot be told"
                break
            lengths.append(reply.prompt_tokens)
        if len(lengths) == 2 and 0 <= lengths[1] - lengths[0] <= CONTINUED:
            return True
        warnings.warn(
            f"model {self._model!r}: this server does not go on with a message of the assistant ({why}). It is told "
            "the beginning instead, and may not keep to it; vLLM and SGLang go on",
            stacklevel=2,
        )
        return False

    async def takes_min_p(self, request: Request) -> bool:
        """Whether the server draws with `min_p`; one that does not is asked without it."""
        return await self._once("min_p", partial(self._find_min_p, request))

    async def _find_min_p(self, request: Request) -> bool:
        try:
            await self._ask(request.asking(max_tokens=1, min_p=0.05))
        except RefusedError as refusal:
            await self._ask(request.asking(max_tokens=1))  # else it refuses more than that, and says what
            warnings.warn(
                f"model {self._model!r}: this server does not draw with min_p ({refusal}). It draws from all tokens",
                stacklevel=2,
            )
            return False
        return True

    async def names(self, reading: Reading, words: Sequence[str]) -> list[list[str]]:
        """How the server may write the first token of each word, best first.

        Raises:
            ValueError: Two words have the same first token.
            LanguageModelError: The server does not tokenize.
        """
        if reading is Reading.IDS:
            tokens = [await self._once(f"token {word}", partial(self._first_token, word)) for word in words]
            names = [[f"token_id:{token}", f"token_id_{token}"] for token in tokens]
        else:  # some vocabularies lose the space in front of a token when it is written alone
            names = [[word, word.strip()] for word in words]
        if len({name[-1] for name in names}) < len(words):
            raise ValueError(f"the words {', '.join(map(repr, words))} cannot all be told by their first tokens")
        return names

    async def _first_token(self, word: str) -> int:
        """The id of the token that a word begins with."""
        body = {"model": self._model, "prompt": word, "add_special_tokens": False}
        content = await self._post(TOKENIZE_PATH, body)
        try:
            return msgspec.json.decode(content, type=_Tokenized).tokens[0]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, IndexError) as error:
            raise LanguageModelError(f"model {self._model!r}: {word!r} was not tokenized ({error})") from None
