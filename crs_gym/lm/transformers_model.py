"""Weights on this machine, run by transformers and decoded in our own loop."""

from __future__ import annotations

import contextlib
import hashlib
import threading
import warnings
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from crs_gym.errors import LanguageModelError, WeightsError
from crs_gym.lm.allocator import keep_freed_memory
from crs_gym.lm.attention import NAME as ATTENTION
from crs_gym.lm.beginnings import Asked, Beginning, beginnings, waves
from crs_gym.lm.cache import KeyShape, Slot
from crs_gym.lm.decoding import Decoder, Written
from crs_gym.lm.guide import Guide, Walk
from crs_gym.lm.interface import Chat, Generation, Prompt, Read, Sampling, until_stop
from crs_gym.numeric import DoubleArray

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

NDArrayBool = np.typing.NDArray[np.bool_]

_FORMAT: Final = 2
"""Part of the revision: rises when the same prompt is turned into other tokens, or drawn from in another way."""

AT_ONCE: Final = 64
"""Prompts that are read before those whose cache nobody needs any more let go of it (our choice)."""

_MISHAPS: Final = (RuntimeError, OSError, MemoryError)
"""What a computation may meet that is no mistake of ours: out of memory (torch's is a RuntimeError, as are all of its
devices' errors), weights that lie on a disk that is gone."""

_PLACEHOLDER: Final = "\ue000{}\ue001"
"""Stands for a message's content while the chat template is rendered (private-use characters: no template has them)."""


class TransformersModel:
    """A causal language model of transformers.

    Args:
        folder: Weights (safetensors), configuration and tokenizer.
        adapter: A folder with a LoRA adapter of peft, merged into the weights; `None` for the model as it is.
        revision: A hash of both.
        dtype: Of the weights; by default `bfloat16` where the processor computes in it, else `float32`.
        device: Where it runs; by default the first GPU, else the CPU.

    Raises:
        WeightsError: The folder holds no such model, or the adapter is not made for it.
    """

    def __init__(
        self,
        folder: Path,
        *,
        adapter: Path | None = None,
        revision: str = "",
        dtype: torch.dtype | None = None,
        device: str | None = None,
    ) -> None:
        self._device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self._dtype = dtype or native_dtype(self._device)
        if self._device.type == "cpu":
            keep_freed_memory()
        self._name = folder.name
        self._revision = revision
        self._tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(str(folder))
        self._model = _load(folder, adapter, self._dtype).to(self._device)
        config = self._model.config
        self._longest = int(getattr(config, "max_position_embeddings", 0)) or 2**31
        self._decoder = Decoder(self._model, _key_shape(config, self._dtype, self._device))
        self._slots: dict[Hashable, Slot] = {}
        self._busy = threading.Lock()  # the model's head is told which places are wanted: one call at a time
        self._end_tokens = _end_tokens(self._model, self._tokenizer)
        self._stop_tokens: dict[str, NDArrayBool] = {}
        self._encode = lru_cache(maxsize=65_536)(self._tokens_of)

    def __repr__(self) -> str:
        return f"TransformersModel({self._name}, {self._dtype}, {self._device})"

    @property
    def revision(self) -> str:
        """See `LanguageModel.revision`."""
        text = f"{_FORMAT}/{self._revision}/{self._dtype}"
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()

    def tokens(self, prompt: Prompt | Chat) -> tuple[list[int], list[int]]:
        """A prompt's tokens, and the places after which probabilities are read."""
        tokens: list[int] = []
        reads: list[int] = []
        parts = prompt.parts if isinstance(prompt, Prompt) else (*self._chat_parts(prompt), Read.HERE)
        for part in parts:
            if isinstance(part, Read):
                reads.append(len(tokens) - 1)
            elif isinstance(part, str):
                tokens += self._encode(part)
            else:
                tokens += part
        return tokens, reads

    def read(
        self, prompts: Sequence[Prompt | Chat], words: Sequence[str], *, slots: Sequence[Hashable] | None = None
    ) -> list[DoubleArray | LanguageModelError]:
        """See `LanguageModel.read`."""
        with self._busy:  # tokenizing, too: the tokenizer is told each time whether to see special tokens
            first = [self._encode(word)[0] for word in words]
            if len(set(first)) < len(first):
                raise ValueError(f"the words {words} cannot be told from each other by their first tokens")
            logits, errors, _ = self._computed(prompts, slots, reads=True)
        answers: list[DoubleArray | LanguageModelError] = []
        for found, error in zip(logits, errors, strict=True):
            if error is not None:
                answers.append(error)
            else:
                exact = found.double()
                chosen = exact[:, first] - torch.logsumexp(exact, dim=-1, keepdim=True)
                answers.append(chosen.cpu().numpy())
        return answers

    def log_likelihood(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> list[tuple[float, int]]:
        """The log-probability of each text behind its prompt, in nats, and its number of tokens."""
        with self._busy:
            both = [self.tokens(prompt)[0] for prompt in prompts]
            told = [list(self._encode(text)) for text in texts]
            logits = self._decoder.prefill(
                [Slot() for _ in prompts],
                [before + text for before, text in zip(both, told, strict=True)],
                [range(len(before) - 1, len(before) + len(text) - 1) for before, text in zip(both, told, strict=True)],
            )
        answers = []
        for found, text in zip(logits, told, strict=True):
            logs = torch.log_softmax(found.double(), dim=-1)[range(len(text)), text]
            answers.append((float(logs.sum()), len(text)))
        return answers

    def generate(
        self,
        prompts: Sequence[Prompt | Chat],
        sampling: Sampling,
        keys: Sequence[int],
        *,
        slots: Sequence[Hashable] | None = None,
    ) -> list[Generation | LanguageModelError]:
        """See `LanguageModel.generate`."""

        def write(rows: Sequence[int], mine: Sequence[Slot], logits: torch.Tensor) -> list[Written]:
            return self._decoder.write(mine, logits, sampling, [keys[row] for row in rows], self._ends(sampling))

        return self._written(prompts, sampling, keys, slots, write, alike=keys)

    def generate_guided(
        self,
        prompts: Sequence[Prompt | Chat],
        sampling: Sampling,
        keys: Sequence[int],
        guides: Sequence[Guide],
        *,
        slots: Sequence[Hashable] | None = None,
    ) -> list[Generation | LanguageModelError]:
        """See `GuidedWriting.generate_guided`."""
        if len(guides) != len(prompts):
            raise ValueError(f"{len(prompts)} prompts need as many guides, not {len(guides)}")

        def write(rows: Sequence[int], mine: Sequence[Slot], logits: torch.Tensor) -> list[Written]:
            walks = [Walk(guides[row], self._encode) for row in rows]
            return self._decoder.write_guided(mine, logits, sampling, [keys[row] for row in rows], walks)

        return self._written(prompts, sampling, keys, slots, write, alike=range(len(prompts)))

    def _written(
        self,
        prompts: Sequence[Prompt | Chat],
        sampling: Sampling,
        keys: Sequence[int],
        slots: Sequence[Hashable] | None,
        write: Callable[[Sequence[int], Sequence[Slot], torch.Tensor], list[Written]],
        alike: Sequence[int],
    ) -> list[Generation | LanguageModelError]:
        """Continue each prompt: `write` is handed rows, their slots and `(n, vocabulary)` logits behind them.

        Rows with the same prompt and the same number in `alike` get the same text, which is written once.
        """
        if len(keys) != len(prompts):
            raise ValueError(f"{len(prompts)} prompts need as many keys, not {len(keys)}")
        with self._busy:
            mine = self._slots_of(slots, len(prompts))
            logits, errors, firsts = self._computed(prompts, slots, reads=False, mine=mine, room=sampling.max_tokens)
            rows = [row for row, error in enumerate(errors) if error is None]
            leaders: dict[tuple[int, int], int] = {}  # who writes for all that are alike
            leader_of = {row: leaders.setdefault((firsts[row], alike[row]), row) for row in rows}
            leading = list(leaders.values())
            written: dict[int, Written] = {}
            try:
                if rows:
                    texts = write(leading, [mine[row] for row in leading], torch.cat([logits[row] for row in leading]))
                    written = dict(zip(leading, texts, strict=True))
                    for row, leader in leader_of.items():
                        mine[row].become(mine[leader])
            except _MISHAPS as error:
                self._fail(rows, errors, error, slots)
                leader_of = {}
        answers: list[Generation | LanguageModelError] = [error or Generation("", False) for error in errors]
        for row, leader in leader_of.items():
            answers[row] = self._generation(written[leader], sampling)
        return answers

    def forget(self, slots: Sequence[Hashable]) -> None:
        """See `LanguageModel.forget`."""
        for slot in slots:
            self._slots.pop(slot, None)

    def _slots_of(self, slots: Sequence[Hashable] | None, n: int) -> list[Slot]:
        if slots is None:
            return [Slot() for _ in range(n)]
        if len(set(slots)) < n or len(slots) != n:
            raise ValueError(f"{n} prompts need {n} different slots")
        return [self._slots.setdefault(slot, Slot()) for slot in slots]

    def _computed(
        self,
        prompts: Sequence[Prompt | Chat],
        slots: Sequence[Hashable] | None,
        *,
        reads: bool,
        mine: list[Slot] | None = None,
        room: int = 0,
    ) -> tuple[list[torch.Tensor], list[LanguageModelError | None], list[int]]:
        """Logits at each prompt's reads, or at its end; what its slot knows already is not computed again.

        What prompts share is computed once, as where several episodes meet the same user: the last list has for each
        prompt the first one that is the same.
        """
        mine = mine if mine is not None else self._slots_of(slots, len(prompts))
        logits: list[torch.Tensor] = [torch.empty(0)] * len(prompts)
        errors: list[LanguageModelError | None] = [None] * len(prompts)
        asked: dict[int, Asked] = {}
        for row, prompt in enumerate(prompts):
            tokens, places = self.tokens(prompt)
            places = places if reads else [len(tokens) - 1]
            if not tokens or not places or min(places) < 0:
                errors[row] = LanguageModelError("the prompt has nothing to read behind. Way out: begin it with words")
            elif len(tokens) + room > self._longest:
                errors[row] = LanguageModelError(
                    f"the prompt has {len(tokens)} tokens and {room} are to follow, {self._name} reads "
                    f"{self._longest}. Way out: a shorter history"
                )
            else:
                asked[row] = Asked(tokens, places)
        known = {row: min(mine[row].shared(one.tokens), one.places[0]) for row, one in asked.items()}
        begun = beginnings(asked, known)
        same = {row: begun[row].row for row, one in asked.items() if begun[row].length == len(one.tokens)}
        gone_on_from = {beginning.row for row, beginning in begun.items() if beginning.row != row}
        try:
            for wave in waves(begun):
                rows = [row for row in wave if row not in same]
                for start in range(0, len(rows), AT_ONCE):
                    some = rows[start : start + AT_ONCE]
                    self._read_on(some, asked, begun, mine, logits)
                    if reads and slots is None:  # nobody asks for what they hold any more
                        for row in {*some} - gone_on_from:
                            mine[row] = Slot()
            for row, first in same.items():
                mine[row].become(mine[first])
                logits[row] = logits[first]
        except _MISHAPS as error:
            self._fail(list(asked), errors, error, slots)
        return logits, errors, [same.get(row, row) for row in range(len(prompts))]

    def _read_on(
        self,
        rows: Sequence[int],
        asked: Mapping[int, Asked],
        begun: Mapping[int, Beginning],
        mine: Sequence[Slot],
        logits: list[torch.Tensor],
    ) -> None:
        """Compute what some prompts have behind their beginnings: their slots hold it, their logits are filled in."""
        for row in rows:
            mine[row].become(mine[begun[row].row], begun[row].length)
        found = self._decoder.prefill(
            [mine[row] for row in rows],
            [asked[row].tokens[begun[row].length :] for row in rows],
            [[place - begun[row].length for place in asked[row].places[begun[row].reads :]] for row in rows],
        )
        for row, at in zip(rows, found, strict=True):
            before = logits[begun[row].row][: begun[row].reads]
            logits[row] = torch.cat([before, at]) if begun[row].reads else at

    def _fail(
        self,
        rows: Sequence[int],
        errors: list[LanguageModelError | None],
        cause: Exception,
        slots: Sequence[Hashable] | None,
    ) -> None:
        """The computation of some rows came to nothing: say so in each, and keep nothing of them."""
        if slots is not None:
            self.forget([slots[row] for row in rows])
        if isinstance(cause, torch.OutOfMemoryError | MemoryError) or "not enough memory" in str(cause):
            way_out = "fewer dialogues at once, a shorter history or a smaller model"
        else:
            way_out = f"see that {self._device} and the disk with the weights are there; the next call tries them again"
        first_line = (str(cause).splitlines() or [""])[0]
        for row in rows:
            errors[row] = LanguageModelError(
                f"{self._name} could not compute on {self._device} ({type(cause).__name__}: {first_line}). "
                f"Way out: {way_out}"
            )

    def _tokens_of(self, text: str) -> tuple[int, ...]:
        """Tokens of a text in which nothing is read as a special token."""
        return tuple(self._tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"])

    def _chat_parts(self, chat: Chat) -> list[str | list[int]]:
        """The chat format's own pieces as tokens, the contents as text: so that no content can be format."""
        if not self._tokenizer.chat_template:
            raise WeightsError(f"{self._name} has no chat format. Way out: an instruction-tuned model, or a raw Prompt")
        marks = [_PLACEHOLDER.format(i) for i in range(len(chat.messages))]
        rendered = str(
            self._tokenizer.apply_chat_template(
                [{"role": m.role, "content": mark} for m, mark in zip(chat.messages, marks, strict=True)],
                tokenize=False,
                add_generation_prompt=True,
            )
        )
        parts: list[str | list[int]] = []
        for message, mark in zip(chat.messages, marks, strict=True):
            before, _, rendered = rendered.partition(mark)
            parts += [self._format_tokens(before), message.content]
        parts.append(self._format_tokens(rendered))
        return [*parts, chat.prefix] if chat.prefix else parts

    def _format_tokens(self, text: str) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def _ends(self, sampling: Sampling) -> Any:
        """Whether a row's text is over; most stops are seen from the last token alone."""
        short = [self._tokens_with(stop) for stop in sampling.stop if len(stop) == 1]
        long = [stop for stop in sampling.stop if len(stop) > 1]
        reach = 2 * max(map(len, long), default=0) + 4

        def over(_: int, tokens: Sequence[int]) -> bool:
            last = tokens[-1]
            if last in self._end_tokens or any(bool(marked[last]) for marked in short):
                return True
            return bool(long) and any(stop in self._tokenizer.decode(list(tokens[-reach:])) for stop in long)

        return over

    def _tokens_with(self, stop: str) -> NDArrayBool:
        """`(vocabulary,)` bool: tokens whose text holds a character."""
        if stop not in self._stop_tokens:
            size = self._model.get_output_embeddings().weight.shape[0]
            texts = self._tokenizer.batch_decode([[token] for token in range(len(self._tokenizer))])
            marked = np.zeros(max(size, len(texts)), bool)
            marked[: len(texts)] = [stop in text for text in texts]
            self._stop_tokens[stop] = marked
        return self._stop_tokens[stop]

    def _generation(self, written: Written, sampling: Sampling) -> Generation:
        tokens = written.tokens
        said = tokens[:-1] if written.finished and tokens[-1] in self._end_tokens else tokens
        text = str(self._tokenizer.decode(said, skip_special_tokens=True, clean_up_tokenization_spaces=False))
        return Generation(until_stop(text, sampling.stop)[0], written.finished, tuple(tokens), written.chosen)


def native_dtype(device: torch.device) -> torch.dtype:
    """`bfloat16` where the hardware computes in it, else `float32`."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    if device.type != "cpu":
        return torch.float32
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        flags = ""
    native = "avx512_bf16" in flags or "amx_bf16" in flags or "bf16" in flags.split("Features", 1)[-1][:2000]
    return torch.bfloat16 if native else torch.float32


def _load(folder: Path, adapter: Path | None, dtype: torch.dtype) -> Any:
    """The model, its adapter merged, in evaluation mode."""
    try:
        with _quietly():
            config = AutoConfig.from_pretrained(str(folder))
            model = AutoModelForCausalLM.from_pretrained(
                str(folder), config=config, dtype=dtype, attn_implementation=ATTENTION, use_safetensors=True
            )
    except (OSError, ValueError) as error:
        raise WeightsError(f"{folder} holds no causal language model that transformers can read: {error}") from error
    if adapter is not None:
        from peft import PeftModel

        try:
            with _quietly():
                model = PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()
        except (OSError, ValueError, RuntimeError, KeyError) as error:
            raise WeightsError(f"the adapter {adapter} does not fit {folder.name}: {error}") from error
    model.train(mode=False)
    model.requires_grad_(requires_grad=False)
    return model


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """No bar for a load of a second, and no remarks of libraries on each other."""
    bars = transformers.utils.logging.is_progress_bar_enabled()
    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=FutureWarning)
            yield
    finally:
        if bars:
            transformers.utils.logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def _key_shape(config: Any, dtype: torch.dtype, device: torch.device) -> KeyShape:
    """The shape of the keys; only layers that attend to everything before them can share columns.

    Raises:
        WeightsError: Some layers do otherwise.
    """
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    if kinds != {"full_attention"}:
        raise WeightsError(
            f"{config.model_type} has layers of {', '.join(sorted(kinds))}; the decode loop needs full attention in "
            "each. Way out: serve it (vLLM, transformers serve) and name it as endpoint:MODEL@URL"
        )
    heads = config.num_attention_heads
    return KeyShape(
        layers=config.num_hidden_layers,
        heads=getattr(config, "num_key_value_heads", None) or heads,
        width=getattr(config, "head_dim", None) or config.hidden_size // heads,
        dtype=dtype,
        device=device,
    )


def _end_tokens(model: Any, tokenizer: Any) -> set[int]:
    """Tokens that end a message."""
    named = model.generation_config.eos_token_id
    ends = set(named if isinstance(named, list) else [named])
    return {token for token in (*ends, tokenizer.eos_token_id) if token is not None}
