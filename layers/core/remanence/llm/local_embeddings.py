"""Sentence models that run in this process: `local/<model>`, by the optional package fastembed.

Path: models.Models -> LocalEmbedder. The package is imported and a model's file is fetched when it
is first used, into a folder of ours; after that no network is needed. Nothing of it is in Lambda.
"""

from __future__ import annotations

import time
from importlib import import_module
from importlib.util import find_spec
from itertools import islice
from threading import Lock
from typing import TYPE_CHECKING, Any

from remanence.core.exchange import EmbeddingInfo
from remanence.errors import (
    NotFound,
    NotSupported,
    ProviderBadReply,
    ProviderOverloaded,
    ProviderTimeout,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

PACKAGE = "fastembed"
INSTALL = "pip install 'remanence[local]'"
# Texts that are computed together: more cost memory and gain no speed on a few cores.
_BATCH = 32


class LocalEmbedder:
    """Computes vectors on this machine. Safe to share between threads; each model is loaded once.

    Args:
        folder: where files of models are kept. A folder in it with a model's name is that model,
            for machines without a network.
        clock: in which deadlines are counted.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder = folder
        self._clock = clock
        self._loaded: dict[str, Any] = {}
        self._lock = Lock()

    def check(self, model: str) -> None:
        """Refuse a model that cannot be used, without loading it.

        Raises:
            NotSupported: the package is not installed; says how it is.
            NotFound: it knows no such model.
        """
        self._name_of(model)

    def embed(self, model: str, texts: Sequence[str], *, deadline: float) -> list[list[float]]:
        """One vector per text, in order. The deadline is looked at between batches.

        Raises:
            NotSupported, NotFound: as `check`.
            ProviderError: the model cannot be fetched or run, or was not done in time.
        """
        loaded = self._load(self._name_of(model))
        vectors: list[list[float]] = []
        rest = iter(texts)
        while batch := list(islice(rest, _BATCH)):
            if self._clock() >= deadline:
                raise ProviderTimeout(
                    f"local/{model} has made {len(vectors)} of {len(texts)} vectors"
                )
            try:
                vectors += (vector.tolist() for vector in loaded.embed(batch, batch_size=_BATCH))
            except (OSError, RuntimeError, ValueError) as error:
                name = type(error).__name__
                raise ProviderBadReply(f"local/{model} could not be run: {name}") from error
        return vectors

    def offer(self) -> Iterator[EmbeddingInfo]:
        """Every model the package knows; none without the package."""
        if find_spec(PACKAGE) is None:
            return
        for known in _supported():
            name: str = known["model"]
            yield EmbeddingInfo(
                handle=f"local/{name}",
                model=name,
                provider="local",
                provider_type="local",
                embedding_dim=known["dim"],
            )

    def _load(self, name: str) -> Any:
        with self._lock:
            if name not in self._loaded:
                self._loaded[name] = self._open(name)
            return self._loaded[name]

    def _open(self, name: str) -> Any:
        folder = self._folder.expanduser()
        placed = folder / name.rpartition("/")[2]
        given = {"specific_model_path": str(placed)} if placed.is_dir() else {}
        try:
            return import_module(PACKAGE).TextEmbedding(name, cache_dir=str(folder), **given)
        except (OSError, RuntimeError, ValueError) as error:
            raise ProviderOverloaded(
                f"the files of local/{name} could not be fetched to {folder} or read from there: "
                f"{type(error).__name__}"
            ) from error

    def _name_of(self, model: str) -> str:
        """The full name of a model that may be called without its maker's."""
        if find_spec(PACKAGE) is None:
            raise NotSupported(
                f"local/{model} runs on this machine with a package that is not there: {INSTALL}"
            )
        wanted = model.lower()
        names: list[str] = [known["model"] for known in _supported()]
        for name in names:
            if wanted in (name.lower(), name.lower().rpartition("/")[2]):
                return name
        raise NotFound("embedding model", f"local/{model}", hint=f"there are: {', '.join(names)}")


def _supported() -> list[dict[str, Any]]:
    known: list[dict[str, Any]] = import_module(PACKAGE).TextEmbedding.list_supported_models()
    return known
