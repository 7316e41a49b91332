"""From the GGUF file of a wheel to safetensors in the cache: right, once, and never half."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import model_files
import pytest

from crs_gym.errors import WeightsError
from crs_gym.lm import wheels
from crs_gym.lm.made_once import made_once
from crs_gym.lm.weights import find_weights, ready_folder, weights_revision
from crs_gym.lm.wheels import WHEELS, ModelWheel

for _package in ("gguf", "torch", "transformers"):
    pytest.importorskip(_package, reason='needs pip install "crs-gym[llm]"')


pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture
def tiny_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelWheel:
    """An installed wheel with a GGUF file of 40 kB."""
    path = tmp_path / "site" / "tiny_gguf_package" / "tiny.gguf"
    path.parent.mkdir(parents=True)
    model_files.write_gguf(path)
    wheel = replace(
        WHEELS["smollm2-135m-instruct"],
        name="tiny-model",
        hub_id="org/tiny",
        megabytes=1,
        package="tiny_gguf_package",
        content="tiny.gguf",
        gguf_sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
    )
    monkeypatch.setitem(wheels.WHEELS, wheel.name, wheel)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return wheel


def test_a_gguf_file_becomes_the_same_model_in_safetensors(
    tiny_wheel: ModelWheel, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    assert ready_folder(tiny_wheel) is None
    folder = find_weights("tiny-model")
    out, err = capfd.readouterr()
    assert (out, err) == ("", "crs-gym: converting tiny-model to safetensors, once (about half a minute)\n")
    assert folder.parent == tmp_path / "cache" / "models"
    assert ready_folder(tiny_wheel) == folder
    assert {path.stat().st_mode & 0o044 for path in folder.iterdir()} == {0o044}  # others may read a shared cache
    assert not list(folder.parent.glob("*.part"))

    model = AutoModelForCausalLM.from_pretrained(folder)
    assert model.dtype == torch.bfloat16
    held = model.state_dict()
    for name, written in model_files.weights().items():
        assert torch.equal(held[name].float(), torch.from_numpy(written)), name
    assert held["lm_head.weight"].data_ptr() == held["model.embed_tokens.weight"].data_ptr()
    config = json.loads((folder / "config.json").read_text())
    assert config["rope_parameters"] == {"rope_theta": 10000.0, "rope_type": "default"}
    assert not {"quantization_config", "_model_name_or_path", "_name_or_path"} & config.keys()
    generation = json.loads((folder / "generation_config.json").read_text())
    generation.pop("transformers_version")
    assert generation == {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2}

    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert (tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token) == (
        "<|im_start|>",
        "<|im_end|>",
        "<|im_end|>",
    )
    assert tokenizer.model_max_length == 128
    assert tokenizer.tokenize("ab a30\n\n3") == ["ab", "Ġa", "3", "0", "ĊĊ", "3"]  # a digit is alone, two line ends one
    said = [{"role": "user", "content": "ab"}]
    assert tokenizer.apply_chat_template(said, tokenize=False) == "<|im_start|>user\nab<|im_end|>\n"


def test_the_conversion_is_done_once_and_outlives_the_wheel(
    tiny_wheel: ModelWheel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = find_weights("tiny-model")
    revision, written = weights_revision(folder), (folder / "model.safetensors").stat().st_mtime_ns
    (tmp_path / "site" / tiny_wheel.package / "tiny.gguf").unlink()
    assert find_weights("org/tiny") == find_weights("tiny-model") == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == written
    monkeypatch.setenv("CRS_GYM_CACHE", str(tmp_path / "other"))
    assert weights_revision(folder) == revision
    with pytest.raises(WeightsError, match="the weights of tiny-model are not on this machine"):
        find_weights("tiny-model")


def test_a_damaged_gguf_file_is_named(tiny_wheel: ModelWheel, tmp_path: Path) -> None:
    path = tmp_path / "site" / tiny_wheel.package / "tiny.gguf"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(WeightsError, match=r"tiny\.gguf is damaged: its sha256 .*--force-reinstall"):
        find_weights("tiny-model")
    assert [path.name for path in (tmp_path / "cache" / "models").iterdir() if path.is_dir()] == []


def test_a_disk_that_fills_up_while_it_is_written_is_named(tiny_wheel: ModelWheel, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="limits the size of files, on POSIX only")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))  # bytes; the weights have 50,000
    try:
        with pytest.raises(WeightsError) as full:
            find_weights("tiny-model")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "cannot be written" in str(full.value)
    assert "MB are free there). Way out: make room for 1 MB, or set CRS_GYM_CACHE" in str(full.value)
    assert not list((tmp_path / "cache" / "models").glob("*.part"))
    assert find_weights("tiny-model").is_dir()


def test_a_disk_without_room_is_named_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"it needs 10000000000 MB \(\d+ MB are free there\)"):
        made_once(tmp_path / "model", lambda folder: pytest.fail("was begun"), megabytes=10**10)


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WeightsError, match=r"cannot be written: .*set CRS_GYM_CACHE to a folder on another disk"):
        made_once(tmp_path / "file" / "model", lambda folder: None, megabytes=1)


_MAKE = """
import pathlib, sys, time
from crs_gym.lm.made_once import made_once
place = pathlib.Path(sys.argv[1])
def make(folder):
    (folder / "half").touch()
    (place / "begun").open("a").write("x")
    while not (place / "go").exists():
        time.sleep(0.005)
    (folder / "whole").touch()
print("asking", flush=True)
made_once(place / "model", make, megabytes=1)
assert (place / "model" / "whole").exists()
"""


@pytest.fixture
def maker(tmp_path: Path) -> Callable[[], subprocess.Popen[str]]:
    """Start a process that makes the folder `model`, and waits half-way for the file `go`."""

    def start() -> subprocess.Popen[str]:
        process = subprocess.Popen([sys.executable, "-c", _MAKE, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "asking\n"
        return process

    return start


def _wait_for(path: Path) -> None:
    until = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < until, f"{path} did not come"
        time.sleep(0.005)


def test_two_processes_make_it_once(maker: Callable[[], subprocess.Popen[str]], tmp_path: Path) -> None:
    both = maker(), maker()
    _wait_for(tmp_path / "begun")
    assert not (tmp_path / "model").exists()  # nothing is to be seen of what is half made
    (tmp_path / "go").touch()
    assert [process.wait(timeout=30) for process in both] == [0, 0]
    assert (tmp_path / "begun").read_text() == "x"
    for process in both:
        assert process.stdout is not None
        process.stdout.close()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="POSIX only")
def test_a_process_that_is_killed_half_way_leaves_nothing_broken(
    maker: Callable[[], subprocess.Popen[str]], tmp_path: Path
) -> None:
    killed = maker()
    _wait_for(tmp_path / "begun")
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait(timeout=30)
    assert killed.stdout is not None
    killed.stdout.close()
    assert (tmp_path / "model.part" / "half").exists()
    assert not (tmp_path / "model").exists()
    made_once(tmp_path / "model", lambda folder: (folder / "whole").touch(), megabytes=1)
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["whole"]
    assert not (tmp_path / "model.part").exists()


def test_an_interrupt_leaves_nothing(tmp_path: Path) -> None:
    def interrupted(folder: Path) -> None:
        (folder / "half").touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made_once(tmp_path / "model", interrupted, megabytes=1)
    assert [path.name for path in tmp_path.iterdir()] in ([], ["model.lock"])


def test_the_real_model_speaks(smollm2: Path) -> None:
    """The wheel's own 98 MB: converted into the ordinary cache, where it stays."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(smollm2)
    tokenizer = AutoTokenizer.from_pretrained(smollm2)
    assert (model.dtype, model.num_parameters()) == (torch.bfloat16, 134_515_008)
    assert tokenizer.pad_token == tokenizer.eos_token == "<|im_end|>"
    said = [{"role": "user", "content": "What is the capital of France?"}]
    prompt = tokenizer.apply_chat_template(said, add_generation_prompt=True, tokenize=False)
    tokens = tokenizer(f"{prompt}The capital of France is", return_tensors="pt")
    with torch.inference_mode():
        next_token = model(**tokens, logits_to_keep=1).logits[0, -1].argmax()
    assert tokenizer.decode(next_token) == " Paris"
