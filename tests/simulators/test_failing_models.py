"""A user whose language model fails in the middle costs the episodes in flight only: they end as errored, they say why,
and they are never scored. What is played later is what it would have been."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason='needs pip install "crs-gym[llm]"')
pytest.importorskip("transformers", reason='needs pip install "crs-gym[llm]"')

from serving import TransformersServer, until  # noqa: E402
from tiny_models import write_chat_model  # noqa: E402

from crs_gym.agent import NamedAgent, Observation  # noqa: E402
from crs_gym.config import EnvConfig  # noqa: E402
from crs_gym.env import ConversationEnv  # noqa: E402
from crs_gym.errors import LanguageModelError  # noqa: E402
from crs_gym.evaluation import evaluate  # noqa: E402
from crs_gym.evaluation.run_folder import RunFolder  # noqa: E402
from crs_gym.lm import LanguageModel, Prompt, Sampling  # noqa: E402
from crs_gym.lm.scripted import ScriptedModel  # noqa: E402
from crs_gym.lm.transformers_model import TransformersModel  # noqa: E402
from crs_gym.simulator import SimulatorEntry  # noqa: E402
from crs_gym.task import Message  # noqa: E402
from crs_gym.turns import AgentTurn  # noqa: E402
from crs_gym.vector import ConversationVectorEnv  # noqa: E402
from crs_simulators.sft.simulator import CONFUSED, SFTSimulator  # noqa: E402
from crs_simulators.zero_shot import ZeroShotSimulator  # noqa: E402

K, TURNS, SEED = 2, 3, 5
GO_ON = {" no": 0.9, " dislike": 0.05, " answer": 0.04}
"""Odds under which nobody leaves."""


def sft(model: LanguageModel) -> SimulatorEntry:
    """A user whom no film pleases."""
    return SimulatorEntry(partial(SFTSimulator, model=model, reserve=100.0), "sft with a model of the test")


def single(user: SimulatorEntry, seed: int, **settings: Any) -> ConversationEnv:
    env = ConversationEnv("sample", simulator=user, k=K, max_turns=TURNS, **settings)
    env.reset(seed=seed)
    return env


def vector(user: SimulatorEntry, n: int, mode: str = "next_step") -> ConversationVectorEnv:
    env = ConversationVectorEnv(n, "sample", simulator=user, k=K, max_turns=TURNS, autoreset_mode=mode)
    env.reset(seed=SEED)
    return env


def action(turn: int, n: int | None = None) -> dict[str, Any]:
    """Shows two films that depend on the turn: for one env, or for each of `n`."""
    slate = np.array([2 * turn, 2 * turn + 1])
    words = f"Number {turn}: these?"
    return {"utterance": words, "items": slate} if n is None else {"utterance": (words,) * n, "items": [slate] * n}


def unclear(of: dict[str, Any], rows: Collection[int], n_items: int) -> dict[str, Any]:
    """The actions without those of some rows, which are empty: the users say that they did not understand."""
    words = tuple("" if row in rows else text for row, text in enumerate(of["utterance"]))
    items = [np.full(K, n_items) if row in rows else slate for row, slate in enumerate(of["items"])]
    return {"utterance": words, "items": items}


def played(env: ConversationEnv) -> tuple[Message, ...]:
    """The rest of the episode that was begun in a single env."""
    for turn in range(TURNS):
        *_, terminated, truncated, info = env.step(action(turn))
        if terminated or truncated:
            return tuple(info["messages"])
    raise AssertionError("the episode did not end")


def next_episode(user: SimulatorEntry, seed: int) -> tuple[Message, ...]:
    """The second episode of a seed, through a single env that nothing happened to."""
    env = single(user, seed)
    env.reset()
    return played(env)


def check_errored(infos: Mapping[str, Any], row: int, reason: str) -> None:
    """What a vector env tells of an episode that its user failed in."""
    assert infos["outcome"][row] == "errored"
    assert reason in infos["error"][row]
    assert not infos["_reward_terms"][row]
    for key in ("success", "accepted", "hit_rank"):
        assert f"_{key}" not in infos or not infos[f"_{key}"][row]


class Shows:
    """An agent that shows what `action` shows; `before` is called before each of its calls, with their number."""

    def __init__(self, before: Callable[[int], None] = lambda _: None, *, items: bool = True) -> None:
        self._before, self._items, self._calls = before, items, 0

    def act(self, observations: Sequence[Observation]) -> list[AgentTurn]:
        self._before(self._calls)
        self._calls += 1
        shown = [(2 * o.turn, 2 * o.turn + 1) if self._items else () for o in observations]
        return [AgentTurn(f"Number {o.turn}: these?", items) for o, items in zip(observations, shown, strict=True)]


@pytest.fixture
def model(chat_model: Path) -> TransformersModel:
    return TransformersModel(chat_model, dtype=torch.float32, device="cpu")


class Trouble:
    """Raises once, at one forward pass of a model, counted from when it is set."""

    def __init__(self, model: TransformersModel) -> None:
        self.passes = 0
        self._at, self._what = -1, lambda: None
        self._usual = model._decoder.forward.logits
        model._decoder.forward.logits = self._forward

    def _forward(self, *arguments: Any) -> torch.Tensor:
        self.passes += 1
        if self.passes == self._at:
            self._what()
        return self._usual(*arguments)

    def comes_at(self, at: int, what: BaseException | Callable[[], None]) -> None:
        def throw() -> None:
            assert isinstance(what, BaseException)
            raise what

        self.passes, self._at, self._what = 0, at, throw if isinstance(what, BaseException) else what


# ---------------------------------------------------------------- chosen rows


@pytest.mark.parametrize("mode", ["next_step", "same_step", "disabled"])
def test_only_the_rows_that_failed_end(mode: str) -> None:
    """Calls 0 and 1 are the first step's; in the second, row 1 fails when it is read and row 0 when it speaks."""
    env = vector(sft(ScriptedModel(odds=GO_ON, failing={2: {1}, 3: {0}})), 4, mode)
    calm = vector(sft(ScriptedModel(odds=GO_ON)), 4, mode)
    for turn in range(2):
        observations, rewards, terminated, truncated, infos = env.step(action(turn, 4))
        usual = calm.step(action(turn, 4))
    assert truncated.tolist() == [True, True, False, False]
    assert not terminated.any()
    assert rewards[:2].tolist() == [0.0, 0.0]
    last = infos["final_info"] if mode == "same_step" else infos
    check_errored(last, 0, "row 0 of call 3")
    check_errored(last, 1, "row 1 of call 2")
    for row in (2, 3):
        assert infos["messages"][row] == usual[4]["messages"][row]
        assert rewards[row] == usual[1][row]
        assert observations["dialogue"][row] == usual[0]["dialogue"][row]
    if mode == "disabled":
        env.reset(options={"reset_mask": np.array([True, True, False, False])})
    observations, rewards, _, truncated, infos = env.step(action(2, 4))
    usual = calm.step(action(2, 4))
    last = infos["final_info"] if mode == "same_step" else infos
    finished = usual[4]["final_info"] if mode == "same_step" else usual[4]
    for row in (2, 3):
        assert truncated[row]
        assert last["outcome"][row] == "truncated"
        assert last["messages"][row] == finished["messages"][row]
        assert rewards[row] == usual[1][row]


def test_later_episodes_in_a_failed_row_are_what_they_would_have_been() -> None:
    env = vector(sft(ScriptedModel(odds=GO_ON, failing={0: None})), 3)
    *_, truncated, infos = env.step(action(0, 3))
    assert truncated.all()
    env.step(action(0, 3))  # resets
    for turn in range(TURNS):
        *_, truncated, infos = env.step(action(turn, 3))
    assert truncated.all()
    for row in range(3):
        assert infos["messages"][row] == next_episode(sft(ScriptedModel(odds=GO_ON)), SEED + row)


def test_a_single_env_ends_its_episode_and_begins_the_next() -> None:
    env = single(sft(ScriptedModel(odds=GO_ON, failing={3: {0}})), SEED)
    env.step(action(0))
    _, reward, terminated, truncated, info = env.step(action(1))
    assert (reward, terminated, truncated) == (0.0, False, True)
    assert info["outcome"] == "errored"
    assert "row 0 of call 3" in info["error"]
    assert not {"reward_terms", "success", "accepted", "hit_rank"} & set(info)
    assert info["messages"][-1].role == "recommender"  # the user said nothing
    with pytest.raises(ValueError, match="over"):
        env.step(action(2))
    env.reset()
    assert played(env) == next_episode(sft(ScriptedModel(odds=GO_ON)), SEED)


def evaluated(user: SimulatorEntry, agent: Shows, tasks: int, num_envs: int, out: Path) -> tuple[Any, list[Any]]:
    """The figures of an evaluation, and its traces."""
    config = EnvConfig(world="sample", simulator=user, k=K, max_turns=TURNS)
    named = NamedAgent("shows", agent)
    results = evaluate(config, [named], tasks=tasks, num_envs=num_envs, out=out)
    return results.agents[0], sorted(RunFolder(out).traces("shows"), key=lambda trace: trace.task_id)


def test_an_evaluation_counts_errored_episodes_and_scores_the_others(tmp_path: Path) -> None:
    user = sft(ScriptedModel(odds=GO_ON, failing={2: {1}, 3: {0}}))
    found, traces = evaluated(user, Shows(), 8, 4, tmp_path / "ill")
    usual, untroubled = evaluated(sft(ScriptedModel(odds=GO_ON)), Shows(), 8, 4, tmp_path / "well")
    assert (found.episodes, found.scored, found.errored) == (8, 6, 2)
    assert (usual.episodes, usual.scored, usual.errored) == (8, 8, 0)
    pairs = list(zip(traces, untroubled, strict=True))
    kept = [whole for trace, whole in pairs if trace.outcome != "errored"]
    assert [trace for trace, _ in pairs if trace.outcome != "errored"] == kept  # word for word
    for trace, whole in pairs:
        if trace.outcome == "errored":
            assert (trace.success, trace.accepted, trace.hit_rank, trace.total_return) == (None,) * 4
            assert trace.turns[-1].user is trace.turns[-1].reward is trace.turns[-1].reward_terms is None
            assert trace.error is not None
            assert trace.error.startswith("scripted to fail")
            assert trace.turns[:-1] == whole.turns[:1]
    returns = [trace.total_return for trace in kept]
    assert found.metrics["return"].n == 6
    assert found.metrics["return"].mean == pytest.approx(np.mean(returns), abs=1e-6)  # 0 for the two would pull it
    assert found.metrics["turns"].mean == TURNS
    assert found.metrics["success"].n == 6


# ---------------------------------------------------------------- weights on this machine


@pytest.mark.parametrize("forward", [1, 2, 6], ids=["while reading", "before the first word", "between two words"])
def test_a_disk_that_is_gone_costs_the_batch_in_flight(model: TransformersModel, forward: int) -> None:
    """The third dialogue's turn cannot be understood, so its user needs no model: it is not in that batch."""
    trouble = Trouble(model)
    user = sft(model)
    expected = [next_episode(user, SEED + row) for row in range(3)]
    env = vector(user, 3)
    n_items = len(env.catalog)
    env.step(unclear(action(0, 3), (0, 1, 2), n_items))
    trouble.comes_at(forward, OSError("disk gone"))
    *_, truncated, infos = env.step(unclear(action(1, 3), (2,), n_items))
    assert trouble.passes == forward  # nothing was tried behind it
    assert truncated.tolist() == [True, True, False]
    for row in (0, 1):
        check_errored(infos, row, "OSError: disk gone). Way out: see that cpu and the disk")
    assert infos["messages"][2][-1].text == CONFUSED
    *_, infos = env.step(unclear(action(2, 3), (2,), n_items))  # begins the next episodes in rows 0 and 1, ends row 2
    assert infos["outcome"].tolist() == [None, None, "truncated"]
    *_, infos = env.step(action(0, 3))
    for row in (0, 1):
        so_far = infos["messages"][row]
        assert so_far == expected[row][: len(so_far)]
        assert so_far[-1].role == "user"
        assert len(so_far) == len(env.engine.task(row).context) + 2


def test_memory_that_runs_out_is_said_with_a_way_out(model: TransformersModel) -> None:
    trouble = Trouble(model)
    prompts = [Prompt(("the cat",)), Prompt(("word " * 5_000,)), Prompt(("a mat",))]
    usual = model.generate(prompts, Sampling(max_tokens=5), [1, 2, 3])
    causes = (torch.OutOfMemoryError("CUDA out of memory. Tried\nto"), MemoryError(), RuntimeError("not enough memory"))
    for cause in causes:
        trouble.comes_at(3, cause)
        rows = model.generate(prompts, Sampling(max_tokens=5), [1, 2, 3], slots="abc")
        assert all(type(row) is LanguageModelError and row.__traceback__ is None for row in rows)
        assert "shorter history" in str(rows[1])  # its own reason stays
        assert "tokens" in str(rows[1])
        for row in (rows[0], rows[2]):
            assert type(cause).__name__ in str(row)
            assert "fewer dialogues at once" in str(row)
            assert "\n" not in str(row)
        again = model.generate(prompts, Sampling(max_tokens=5), [1, 2, 3], slots="abc")
        assert [again[0], again[2]] == [usual[0], usual[2]]


def test_a_mistake_of_ours_is_no_mishap(model: TransformersModel) -> None:
    trouble = Trouble(model)
    trouble.comes_at(1, IndexError("a bug"))
    with pytest.raises(IndexError, match="a bug"):
        model.generate([Prompt(("the cat",))], Sampling(max_tokens=2), [1])
    assert model.generate([Prompt(("the cat",))], Sampling(max_tokens=2), [1])


# ---------------------------------------------------------------- interrupts and threads


def test_ctrl_c_while_a_text_is_written_leaves_the_model_usable(model: TransformersModel) -> None:
    trouble = Trouble(model)
    prompts, sampling = [Prompt(("the cat sat",)), Prompt(("a dog",))], Sampling(max_tokens=30)
    usual = model.generate(prompts, sampling, [1, 2])
    for forward in (1, 10):
        trouble.comes_at(forward, lambda: signal.raise_signal(signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            model.generate(prompts, sampling, [1, 2], slots="ab")
        assert trouble.passes == forward
        assert model.generate(prompts, sampling, [1, 2], slots="ab") == usual


def test_ctrl_c_in_a_step_leaves_the_env_usable(model: TransformersModel) -> None:
    trouble = Trouble(model)
    user = sft(model)
    expected = next_episode(user, SEED)
    env = single(user, SEED)
    env.step({"utterance": "", "items": np.full(K, len(env.catalog))})
    trouble.comes_at(5, lambda: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        env.step(action(1))
    assert env.engine.turn[0] == 1  # the turn that was broken off does not count
    env.step(action(1))
    env.reset()
    assert played(env) == expected


def test_two_threads_on_one_model_do_not_mix_rows(model: TransformersModel) -> None:
    """One plays with raw prompts, one with chats, which are turned into tokens in another way."""

    def play(user: SimulatorEntry) -> list[tuple[Message, ...]]:
        env = vector(user, 3)
        for turn in range(2):
            env.step(action(turn, 3))
        return [env.engine.messages(row) for row in range(3)]

    users = [sft(model), SimulatorEntry(partial(ZeroShotSimulator, model=model), "zero-shot with a model of the test")]
    alone = [play(user) for user in users]
    together = threading.Barrier(4, timeout=60)

    def at_once(user: SimulatorEntry) -> list[tuple[Message, ...]]:
        together.wait()
        return play(user)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(at_once, users * 2)) == alone * 2


# ---------------------------------------------------------------- a server that is killed


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TransformersServer]:
    """`transformers serve` with a tiny model that says `yes` to everything."""
    from transformers import AutoTokenizer, LlamaForCausalLM

    pytest.importorskip("httpx2", reason='needs pip install "crs-gym[endpoint]"')
    pytest.importorskip("fastapi", reason="the server of these tests needs transformers[serving]")
    where = str(write_chat_model(tmp_path_factory.mktemp("yes")))
    weights = LlamaForCausalLM.from_pretrained(where)
    (yes,) = AutoTokenizer.from_pretrained(where).encode(" yes", add_special_tokens=False)
    weights.model.embed_tokens.weight.data[:, 0] = 1.0  # a direction that all hidden states share
    weights.lm_head.weight.data[:, 0] = 0.0
    weights.lm_head.weight.data[yes, 0] = 5.0
    weights.save_pretrained(where)
    server = TransformersServer(where, tmp_path_factory.mktemp("serve") / "log")
    try:
        yield server.ready()
    finally:
        server.kill()


@pytest.fixture
def served(server: TransformersServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatorEntry]:
    """`zero-shot` with that server. It has no `min_p`, and cannot go on with what a user who leaves begins to say."""
    from crs_gym.lm.endpoint import EndpointModel
    from crs_gym.lm.endpoint import connection as connection_module
    from crs_simulators.zero_shot import simulator as simulator_module

    if server.process.poll() is not None:  # an earlier test killed it
        server.start()
        server.ready()
    monkeypatch.setattr(connection_module, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(simulator_module, "WORDS", Sampling(max_tokens=60, temperature=0.8))
    monkeypatch.setattr(simulator_module, "LEAVES", 1e-12)
    with EndpointModel(server.url, server._model, retries=1, timeout=300.0) as model:
        yield SimulatorEntry(partial(ZeroShotSimulator, model=model), "zero-shot at a server of the test")


def killed_while_answering(server: TransformersServer) -> threading.Thread:
    """Kill it as soon as it has received a request more."""
    before = server.requests_received()

    def kill() -> None:
        until(lambda: server.requests_received() > before)
        server.kill()

    thread = threading.Thread(target=kill)
    thread.start()
    return thread


REASONS: Collection[str] = ("cannot be reached", "broke off while answering")


@pytest.mark.xdist_group("endpoint")
@pytest.mark.filterwarnings("ignore:model .* gives no log-probabilities")
def test_a_server_that_is_killed_costs_an_evaluation_what_was_in_flight(
    served: SimulatorEntry, server: TransformersServer, tmp_path: Path
) -> None:
    """Three dialogues of three turns at once: the first three are killed in their second turn, the next three find no
    server in their first, and before the last three begin it is back."""

    killing: list[threading.Thread] = []

    def before(call: int) -> None:
        if call == 1:
            killing.append(killed_while_answering(server))
        elif call == 3:
            killing[0].join()
            server.start()
            server.ready()

    found, traces = evaluated(served, Shows(before, items=False), 9, 3, tmp_path / "run")
    assert (found.episodes, found.scored, found.errored) == (9, 3, 6)
    errored = [trace for trace in traces if trace.outcome == "errored"]
    assert sorted(len(trace.turns) for trace in errored) == [1, 1, 1, 2, 2, 2]
    for trace in errored:
        assert any(reason in str(trace.error) for reason in REASONS), trace.error
        assert (trace.success, trace.accepted, trace.total_return) == (None,) * 3
    scored = [trace.total_return for trace in traces if trace.outcome == "truncated"]
    assert found.metrics["return"].n == len(scored) == 3
    assert found.metrics["return"].mean == pytest.approx(np.mean(scored), abs=1e-6)
    assert found.metrics["success"].n == 3


@pytest.mark.xdist_group("endpoint")
@pytest.mark.filterwarnings("ignore:model .* gives no log-probabilities")
def test_a_server_that_is_killed_leaves_envs_that_say_so(served: SimulatorEntry, server: TransformersServer) -> None:
    env, alone = vector(served, 3), single(served, SEED)
    question = {"utterance": ("What genre?",) * 3, "items": [np.full(K, len(env.catalog))] * 3}
    *_, truncated, infos = env.step(question)
    assert not truncated.any()
    assert all(infos["messages"][row][-1].text.startswith("yes") for row in range(3))
    thread = killed_while_answering(server)
    for _ in range(2):  # killed, and gone
        _, rewards, terminated, truncated, infos = env.step(question)
        thread.join()
        assert truncated.all()
        assert not terminated.any()
        assert not rewards.any()
        for row in range(3):
            check_errored(infos, row, "model ")
            assert any(reason in infos["error"][row] for reason in REASONS)
        env.step(question)  # resets
    *_, truncated, info = alone.step({name: values[0] for name, values in question.items()})
    assert truncated
    assert any(reason in info["error"] for reason in REASONS)
    assert alone.reset()[0]["turn"] == 0
