"""The surroundings of `remanence eval recall`: which database, and which model makes vectors.

Path: cli -> measure_recall -> run_recall. Without a database of one's own: a throw-away one, in a
temporary folder, with the binaries of the laptop server.
"""

from __future__ import annotations

import tempfile
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from remanence.db.connect import OneConnection
from remanence.db.migrate import migrate
from remanence.dispatch.none import NoDoorbell
from remanence.evaluation.recall import Bench, run_recall
from remanence.local.cluster import LOGIN
from remanence.local.postgres import EmbeddedPostgres
from remanence.sources import new_id
from remanence.wiring import build

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from remanence.settings import Settings


def measure_recall(  # noqa: PLR0913  the options of the command
    settings: Settings,
    env: Mapping[str, str],
    folders: Sequence[Path],
    *,
    uri: str | None,
    embedding: str | None,
    ablation: bool,
    runs: Path | None,
    plot: Path | None,
    say: Callable[[str], None],
) -> None:
    """Measure recall over datasets.

    Args:
        settings: as the server has them.
        env: where keys of providers are.
        folders: one per dataset.
        uri: of a migrated database; None: a throw-away one.
        embedding: handle of a configured model; None: by words alone.
        ablation: also what is lost without each part of the search.
        runs: folder for the rankings.
        plot: SVG file to write.
        say: told every line of the report.
    """
    with _database(uri, env) as app_uri, closing(OneConnection(app_uri)) as connections:
        parts = build(settings, env, connections, NoDoorbell())
        bench = Bench(
            queries=parts.queries,
            recall=parts.recall,
            embedder=parts.models,
            embedding=embedding,
            new_id=new_id,
            say=say,
        )
        run_recall(bench, folders, ablation=ablation, runs=runs, plot=plot)


@contextmanager
def _database(uri: str | None, env: Mapping[str, str]) -> Generator[str]:
    if uri is not None:
        yield uri
        return
    with tempfile.TemporaryDirectory(prefix="remanence-eval-") as home:
        pg = EmbeddedPostgres(Path(home), "test", pg_bin=env.get("PG_BIN", ""))
        try:
            pg.start()
            migrate(pg.owner_uri, login_roles=[LOGIN])
            yield pg.app_uri
        finally:
            pg.stop()
