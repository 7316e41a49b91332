"""A training of the retriever, small, from its settings to the agent that plays it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from agent_play import HandMadeWorld, Recorded, observe, recommender, user
from retriever_play import need_transformers, small_settings, write_tiny_encoder

from crs_agents.retriever import DUAL_VIEW, build
from crs_agents.retriever.trainer import RETRIEVER, RetrieverTraining
from crs_gym.agent import AgentEntry, Observation, OracleObservation
from crs_gym.errors import TrainingError, WeightsError
from crs_gym.task import Dialogue
from crs_gym.testing import check_agent
from crs_gym.turns import AgentTurn
from crs_gym.worlds import World, load_world

need_transformers()

import torch  # noqa: E402

from crs_agents.retriever.contexts import ContextReader  # noqa: E402
from crs_agents.retriever.examples import Examples, recorded_moments  # noqa: E402
from crs_agents.retriever.leave_one_out import LeaveOneOut  # noqa: E402
from crs_agents.retriever.network import DualView  # noqa: E402
from crs_agents.retriever.out_of_fold import OutOfFold  # noqa: E402
from crs_agents.retriever.retriever import BLOCK, Retriever  # noqa: E402
from crs_agents.retriever.saved import CONFIG_FILE, WEIGHTS_FILE, load_retriever  # noqa: E402
from crs_agents.retriever.signals import EASE, log_signal  # noqa: E402


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("retriever")
    write_tiny_encoder(folder / "encoder")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRS_GYM_CACHE", str(folder / "cache"))
        small_settings(folder / "encoder", folder / "trained").run()
    return folder


@pytest.fixture(autouse=True)
def cache(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRS_GYM_CACHE", str(place / "cache"))


@pytest.fixture(scope="module")
def retriever(place: Path) -> Retriever:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRS_GYM_CACHE", str(place / "cache"))
        return Retriever.load(place / "trained", load_world("sample"))


def test_the_folder_holds_weights_settings_curve_and_card(place: Path) -> None:
    trained = place / "trained"
    names = {path.name for path in trained.iterdir()} - {".lock"}
    assert names == {WEIGHTS_FILE, CONFIG_FILE, "settings.json", "curve.png", "README.md"}
    facts = json.loads((trained / CONFIG_FILE).read_text())
    assert facts["networks"] == 2
    assert 0 <= facts["valid"]["recall@1"] <= facts["valid"]["recall@10"] <= facts["valid"]["recall@50"] <= 100
    assert (trained / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert "--episodes 40" in (trained / "README.md").read_text()


def test_it_learns(retriever: Retriever) -> None:
    """The films that its own train seekers want stand higher than popularity and chance put them."""
    tasks = load_world("sample").tasks("train")[4000:4040]
    scores = retriever.scores([Observation(task.context, 0, 5, 10, 50, 0) for task in tasks])
    popular = retriever.catalog.popularity
    above = [(row > row[task.targets[0]]).sum() for row, task in zip(scores, tasks, strict=True)]
    by_popularity = [(popular > popular[task.targets[0]]).sum() for task in tasks]
    assert np.median(above) < 0.8 * np.median(by_popularity)


def test_one_seed_gives_one_result(place: Path, tmp_path: Path) -> None:
    small_settings(place / "encoder", tmp_path / "again").run()
    trained = (place / "trained" / WEIGHTS_FILE).read_bytes()
    assert (tmp_path / "again" / WEIGHTS_FILE).read_bytes() == trained
    small_settings(place / "encoder", tmp_path / "other", seed=1, networks=1, epochs=1).run()
    assert (tmp_path / "other" / WEIGHTS_FILE).read_bytes() != trained


def test_a_finished_training_is_left_alone(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (place / "trained" / WEIGHTS_FILE).stat().st_mtime_ns
    small_settings(place / "encoder", place / "trained").run()
    assert "nothing is left to do" in capsys.readouterr().out
    assert (place / "trained" / WEIGHTS_FILE).stat().st_mtime_ns == before
    with pytest.raises(TrainingError, match="epochs"):
        small_settings(place / "encoder", place / "trained", epochs=5).run()


@pytest.mark.parametrize("settings", [{"views": "semantic"}, {"views": "collaborative"}, {"cross_attention": False}])
def test_parts_of_it_train_and_score(place: Path, tmp_path: Path, settings: dict[str, object]) -> None:
    small_settings(place / "encoder", tmp_path / "part", networks=1, epochs=1, **settings).run()
    part = Retriever.load(tmp_path / "part", load_world("sample"))
    spoken, other = part.scores([observe(user("I want horror", 3)), observe(user("I love comedy", 3))])
    says = settings.get("views") != "collaborative"
    assert (spoken.tolist() != other.tolist()) == says  # what is said reaches the semantic view alone


def test_scores_do_not_depend_on_the_batch(retriever: Retriever, observations: list[OracleObservation]) -> None:
    chosen = [*observations, *observations[: BLOCK // 2 + 1]]
    together = retriever.scores(chosen)
    assert together.shape == (len(chosen), len(retriever.catalog))
    assert together.dtype == np.float32
    assert np.isfinite(together).all()
    np.testing.assert_allclose(np.exp(together.astype(np.float64)).sum(axis=1), 1, atol=1e-4)
    for row in range(0, len(chosen), 5):
        np.testing.assert_array_equal(retriever.scores([chosen[row]])[0], together[row])
    assert retriever.scores([]).shape == (0, len(retriever.catalog))


def test_feedback_and_words_change_the_scores(retriever: Retriever) -> None:
    opening, slate = user("I enjoyed The Matrix (1999).", 6), recommender("These?", 10, 11, 12)
    liked, disliked = user("I loved it!"), user("I hated it.")
    observations = [Observation((opening, slate, answer), 1, 5, 10, 50, 0) for answer in (liked, disliked)]
    after_liked, after_disliked = retriever.scores(observations)
    assert not np.allclose(after_liked, after_disliked)


def test_the_agent_keeps_the_contract(place: Path) -> None:
    trained = str(place / "trained")
    check_agent(AgentEntry(lambda world: build(world, trained), "a trained one"))


def test_the_agent_shows_new_films_only(place: Path) -> None:
    agent = build(load_world("sample"), str(place / "trained"))
    [turn] = agent.act([observe(user("Anything like The Matrix (1999)?", 6), recommender("Try these.", 0, 1, 2))])
    assert isinstance(turn, AgentTurn)
    assert len(turn.ranking) == 50
    assert not {0, 1, 2, 6} & set(turn.ranking)


def test_another_catalogue_is_scored_by_the_semantic_view(place: Path) -> None:
    world = HandMadeWorld([[0, 1, 2], [1, 2], [3, 4]], n_items=9)
    other = Retriever.load(place / "trained", world)
    assert not other.both_views
    scores = other.scores([observe(user("I like Film 1 (2001), a comedy", 1)), observe()])
    assert scores.shape == (2, 9)
    assert np.isfinite(scores).all()
    assert not np.allclose(scores[0], scores[1])


def test_a_world_without_train_dialogues_is_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crs_agents.retriever.run.load_world", lambda name: HandMadeWorld([], n_items=3))
    with pytest.raises(TrainingError, match="no train dialogues"):
        small_settings(place / "encoder", place / "nothing").run()
    assert not (place / "nothing").exists()


@pytest.mark.parametrize("damage", ["no folder", "no weights", "torn weights", "torn settings", "other version"])
def test_a_folder_that_cannot_be_read_is_named(place: Path, tmp_path: Path, sample: World, damage: str) -> None:
    folder = tmp_path / "copy"
    if damage != "no folder":
        shutil.copytree(place / "trained", folder)
    if damage == "no weights":
        (folder / WEIGHTS_FILE).unlink()
    elif damage == "torn weights":
        (folder / WEIGHTS_FILE).write_bytes((folder / WEIGHTS_FILE).read_bytes()[:-1000])
    elif damage == "torn settings":
        (folder / CONFIG_FILE).write_text("{")
    elif damage == "other version":
        facts = json.loads((folder / CONFIG_FILE).read_text())
        (folder / CONFIG_FILE).write_text(json.dumps({**facts, "document_version": 0}))
    with pytest.raises(WeightsError, match="Way out"):
        build(sample, str(folder))


def test_no_folder_is_named(sample: World) -> None:
    with pytest.raises(ValueError, match="dual-view:DIR"):
        build(sample)
    assert DUAL_VIEW.build is build


@pytest.mark.parametrize(
    ("name", "value"),
    [("seed", -1), ("networks", 0), ("epochs", 0), ("batch_size", 0), ("learning_rate", 0.0), ("learning_rate", 2.0),
     ("weight_decay", -0.1), ("dropout", 1.0), ("dim", 6), ("dim", 0), ("episodes", 0)],
)  # fmt: skip
def test_an_unusable_setting_is_named_as_an_option(tmp_path: Path, name: str, value: float) -> None:
    with pytest.raises(TrainingError, match=f"--{name.replace('_', '-')} "):
        RetrieverTraining(out=tmp_path, **{name: value})  # type: ignore[arg-type]
    assert RETRIEVER.settings is RetrieverTraining


def test_a_saved_retriever_is_what_was_trained(place: Path) -> None:
    saved = load_retriever(place / "trained")
    assert len(saved.networks) == 2
    assert saved.networks[0].shape.n_items == len(load_world("sample").catalog)
    first, second = (network.items.weight for network in saved.networks)
    assert not np.allclose(first.detach().numpy(), second.detach().numpy())


def test_the_ensemble_is_the_mean_of_its_networks(place: Path, retriever: Retriever) -> None:
    import torch
    from torch.nn.functional import log_softmax

    saved = load_retriever(place / "trained")
    singles = []
    for number in range(2):
        alone = Retriever(replace(saved, networks=[saved.networks[number]]), load_world("sample"))
        singles.append(alone.scores([observe(user("I want horror", 3)), observe()]))
    expected = log_softmax(torch.from_numpy(np.mean(singles, axis=0)), dim=1)
    found = retriever.scores([observe(user("I want horror", 3)), observe()])
    np.testing.assert_allclose(found, expected, atol=1e-4)


SESSIONS = ((0, 1), (0, 1, 2), (2, 3), (1, 3, 4), (0, 4), (5, 6), (2, 6))


def test_train_dialogues_are_scored_by_the_networks_that_left_them_out(place: Path) -> None:
    """Fold 1 of two holds dialogues 1, 3, 5: they are asked of network 1 alone, with EASE as it is without them."""
    world = Recorded(SESSIONS, 8)
    trained = load_retriever(place / "trained")
    shape = replace(trained.networks[0].shape, n_items=8)
    with torch.random.fork_rng():
        torch.manual_seed(5)
        saved = replace(
            trained,
            networks=[DualView(shape).eval() for _ in range(2)],
            catalog_fingerprint=world.catalog.fingerprint,
            encoder=str(place / "encoder"),
        )
    begun = [observe(*world.dialogues("train")[number].messages[:1], key=number) for number in (1, 2, 5)]
    scores = OutOfFold(saved, world, 2)([*begun, observe(user("never recorded", 2))])
    retrievers = [Retriever(replace(saved, networks=[network]), world) for network in saved.networks]
    together = Retriever(saved, world)
    leave_out = LeaveOneOut(world, EASE)
    for row, number in enumerate((1, 2, 5)):
        item = begun[row].messages[0].items
        ease = log_signal(leave_out.scores(item, number), together.ease_floor)[None]
        np.testing.assert_array_equal(scores[row], retrievers[number % 2].scores([begun[row]], ease)[0])
        assert not np.array_equal(scores[row], together.scores([begun[row]])[0])
    np.testing.assert_array_equal(scores[3], together.scores([observe(user("never recorded", 2))])[0])


def test_a_fold_is_left_out_whole() -> None:
    world = Recorded(SESSIONS, 8)
    dialogues = [
        Dialogue(str(number), (user("hi", items[0]), *(recommender("this?", item) for item in items[1:])))
        for number, items in enumerate(SESSIONS)
    ]
    moments = list(recorded_moments(dialogues))
    examples = Examples(
        contexts=ContextReader(world.catalog)([observation for observation, _, _ in moments]),
        named=[observation.named_items() for observation, _, _ in moments],
        targets=[targets for _, targets, _ in moments],
        groups=np.array([number for _, _, number in moments], np.int64),
    )
    left = examples.without_fold(1, 2)
    assert set(left.groups.tolist()) == {0, 2, 4, 6}
    assert len(left) == len(left.contexts) == len(left.named) == sum(len(SESSIONS[n]) - 1 for n in (0, 2, 4, 6))


@pytest.mark.parametrize(("folds", "networks"), [(1, 3), (4, 3), (-2, 3)])
def test_folds_need_a_network_each(folds: int, networks: int, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="--folds"):
        RetrieverTraining(out=tmp_path, folds=folds, networks=networks)


def test_invented_seekers_need_no_folds(place: Path, tmp_path: Path) -> None:
    small_settings(place / "encoder", tmp_path, folds=2, epochs=1).run()
    assert json.loads((tmp_path / CONFIG_FILE).read_text())["folds"] == 0
