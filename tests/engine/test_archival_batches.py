"""Many texts get their vectors in few calls, and lose only vectors when a model fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.server import new_id

from remanence.core.archival import NewText
from remanence.engine.archival import EMBED_BATCH, EMBED_BATCHES_LIMIT_S, Archival
from remanence.errors import ProviderTimeout

if TYPE_CHECKING:
    from collections.abc import Sequence


class Lengths:
    """An embedder that answers `good_calls` times."""

    def __init__(self, good_calls: int = 100) -> None:
        self.sizes: list[int] = []
        self.good_calls = good_calls

    def embed(self, handle: str, texts: Sequence[str], *, deadline: float) -> list[list[float]]:
        assert (handle, deadline) == ("fake/lengths", 7 + EMBED_BATCHES_LIMIT_S)
        if len(self.sizes) == self.good_calls:
            raise ProviderTimeout("no answer")
        self.sizes.append(len(texts))
        return [[float(len(text))] for text in texts]


def archival(embedder: Lengths) -> Archival:
    # the store is not reached
    return Archival(passages=None, embedder=embedder, new_id=new_id, monotonic=lambda: 7.0)


def texts(count: int) -> list[NewText]:
    return [NewText(id=f"passage-{n}", text="x" * n) for n in range(count)]


def test_texts_are_embedded_many_at_a_time_and_keep_their_order() -> None:
    embedder = Lengths()

    done = archival(embedder).with_vectors("fake/lengths", texts(EMBED_BATCH + 10))

    assert embedder.sizes == [EMBED_BATCH, 10]
    assert [text.vector.values for text in done if text.vector] == [
        (float(n),) for n in range(EMBED_BATCH + 10)
    ]


def test_texts_behind_a_failure_are_kept_without_vectors() -> None:
    done = archival(Lengths(good_calls=1)).with_vectors("fake/lengths", texts(EMBED_BATCH + 10))

    assert len(done) == EMBED_BATCH + 10
    assert [text.vector is None for text in done] == [False] * EMBED_BATCH + [True] * 10


def test_texts_of_an_archive_without_a_model_are_not_embedded() -> None:
    embedder = Lengths()

    assert archival(embedder).with_vectors(None, texts(3)) == texts(3)
    assert embedder.sizes == []
