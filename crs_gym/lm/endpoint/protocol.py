"""What is sent to an OpenAI-compatible server, and what of an answer is read. Nothing in an answer is trusted."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import msgspec

from crs_gym.errors import LanguageModelError
from crs_gym.lm.interface import Chat, ChatMessage, Prompt, Sampling
from crs_gym.randomness import derived_key

TOP: Final = 20
"""How many of the most probable next tokens are asked for: the most that OpenAI gives, and vLLM by default."""

CHAT_PATH: Final = "chat/completions"
TEXT_PATH: Final = "completions"
TOKENIZE_PATH: Final = "../tokenize"
"""Of vLLM, which has it beside `/v1`."""

CONTINUE: Final = {"add_generation_prompt": False, "continue_final_message": True}
"""Lets the model go on with the last message, in vLLM and SGLang."""

_OPENING: Final = re.compile(r"<(?=\S)|\[(?=/?[A-Za-z_]+\])")


@dataclass(frozen=True, slots=True)
class Request:
    """One request.

    Attributes:
        path: Below the base URL.
        body: Sent as JSON.
    """

    path: str
    body: dict[str, object]

    def asking(self, **fields: object) -> Request:
        """The same with further fields."""
        return Request(self.path, {**self.body, **fields})


@dataclass(frozen=True, slots=True)
class Answer:
    """What is read of an answer.

    Attributes:
        text: What the model wrote.
        finished: It ended by itself or at a stop string.
        top: The most probable first tokens, as the server writes them, and their log-probabilities; empty where it
            gives none.
        model: The model that the server says it is.
        prompt_tokens: The length of the prompt as the server read it; `None` where it does not say.
    """

    text: str
    finished: bool
    top: dict[str, float]
    model: str
    prompt_tokens: int | None


def plain(text: str) -> str:
    """`text` with a space behind each bracket that could begin a special token.

    A server tokenizes what it gets with its special tokens, and does not tell which it has. Theirs are written in
    angle brackets (`<|im_end|>`, `</s>`, `<start_of_turn>`) or as `[INST]`.
    """
    encodable = text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")  # no lone surrogates
    return _OPENING.sub(r"\g<0> ", encodable)


def chat_request(model: str, chat: Chat) -> Request:
    """Ask for the assistant's next message, or for the rest of it."""
    messages = [{"role": message.role, "content": plain(message.content)} for message in chat.messages]
    body: dict[str, object] = {"model": model, "messages": messages}
    if chat.prefix:
        messages.append({"role": "assistant", "content": chat.prefix})
        body |= CONTINUE
    return Request(CHAT_PATH, body)


def told_to_begin(chat: Chat) -> Chat:
    """The chat without its prefix, and with the order to begin with it."""
    *earlier, last = chat.messages
    order = f"{last.content}\n\n(Begin your answer with exactly these words: {chat.prefix})"
    return Chat((*earlier, ChatMessage(last.role, order)))


def without_beginning(text: str, beginning: str) -> str:
    """What follows a beginning that the model was told; the whole text if it did not keep to it."""
    return text.lstrip().removeprefix(beginning.strip())


def text_request(model: str, text: str) -> Request:
    """Ask for the rest of a raw text."""
    return Request(TEXT_PATH, {"model": model, "prompt": plain(text)})


def whole_request(model: str, prompt: Prompt | Chat) -> Request:
    """Ask for what follows a prompt."""
    return chat_request(model, prompt) if isinstance(prompt, Chat) else text_request(model, prompt.text)


def read_requests(model: str, prompt: Prompt | Chat) -> list[Request]:
    """One request for each place that is to be read."""
    if isinstance(prompt, Chat):
        return [chat_request(model, prompt)]
    text, requests = "", []
    for part in prompt.parts:
        if isinstance(part, str):
            text += part
        else:
            requests.append(text_request(model, text))
    return requests


def sampled(request: Request, sampling: Sampling, key: int) -> Request:
    """The request with how to draw. `top_p` is given since servers have defaults of their own."""
    fields: dict[str, object] = {
        "max_tokens": sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_p": 1.0,
        "seed": derived_key(key, "endpoint") >> 97,  # 31 bits: what every server's integers can hold
    }
    if sampling.min_p > 0.0:
        fields["min_p"] = sampling.min_p
    if sampling.stop:
        fields["stop"] = list(sampling.stop)
    return request.asking(**fields)


class _Token(msgspec.Struct):
    token: str
    logprob: float


class _ChatPlace(msgspec.Struct):
    top_logprobs: list[_Token]


class _ChatTop(msgspec.Struct):
    content: list[_ChatPlace] | None = None


class _TextTop(msgspec.Struct):
    top_logprobs: list[dict[str, float] | None] | None = None


class _Message(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    message: _Message | None = None
    text: str | None = None
    finish_reason: str | None = None
    logprobs: msgspec.Raw = msgspec.Raw(b"null")


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None


class _Answer(msgspec.Struct):
    choices: list[_Choice]
    model: str | None = None
    usage: _Usage | None = None


_answers: Final = msgspec.json.Decoder(_Answer)
_chat_tops: Final = msgspec.json.Decoder(_ChatTop | None)
_text_tops: Final = msgspec.json.Decoder(_TextTop | None)


def answer(request: Request, content: bytes) -> Answer:
    """Read an answer.

    Raises:
        LanguageModelError: It is none.
    """
    try:
        decoded = _answers.decode(content)
        choice = decoded.choices[0]
        top = _top(request, choice.logprobs) if "logprobs" in request.body else {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, IndexError) as error:
        raise LanguageModelError(
            f"model {request.body.get('model')!r}: what came back is no answer of an OpenAI-compatible server "
            f"({error}); check the base URL"
        ) from None
    text = choice.message.content if choice.message is not None else choice.text
    if text is None:
        raise LanguageModelError(
            f"model {request.body.get('model')!r} answered without a text (finish_reason {choice.finish_reason!r}): "
            "a model that reasons first needs more max_tokens, or to be told not to (`extra_body`)"
        )
    return Answer(
        text=text,
        finished=choice.finish_reason != "length",
        top=top,
        model=decoded.model or "",
        prompt_tokens=decoded.usage.prompt_tokens if decoded.usage else None,
    )


def _top(request: Request, raw: msgspec.Raw) -> dict[str, float]:
    """The most probable first tokens, most probable first."""
    if request.path == CHAT_PATH:
        chat = _chat_tops.decode(raw)
        pairs = [(one.token, one.logprob) for one in chat.content[0].top_logprobs] if chat and chat.content else []
    else:
        text = _text_tops.decode(raw)
        pairs = list((text.top_logprobs[0] or {}).items()) if text and text.top_logprobs else []
    top: dict[str, float] = {}
    for token, logprob in sorted(pairs, key=lambda pair: -pair[1])[:TOP]:
        top.setdefault(token, min(logprob, 0.0))  # tokens of one writing: half a character each, in some vocabularies
    return top
