"""The command line: `remanence dev | serve | migrate | doctor | chat | record | replay | ...`.

Thin: parses, reads the settings, calls one function, and turns every error of ours into a message
and exit code 1. What a command needs is imported when it runs, so `--help` is quick and `migrate`
needs no web framework.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from remanence import __version__
from remanence.core.ids import DEFAULT_ORG_ID, OrgId
from remanence.errors import AppError, NotSupported, SettingsError
from remanence.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_DESCRIPTION = "Agents that remember, over your own Postgres."

_EPILOG = """\
environment (all optional for `dev`):
  OPENAI_API_KEY, ANTHROPIC_API_KEY, OLLAMA_BASE_URL, ...   which models there are
  PORT                 where the server listens (8283)
  HOST                 the address `serve` listens on (127.0.0.1; containers need 0.0.0.0)
  REMANENCE_HOME       where `dev` keeps its data (~/.remanence)
  REMANENCE_PG_URI     a Postgres with pgvector to use instead of the embedded one
  REMANENCE_API_KEY    if set, callers must send it as a bearer token
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0, or 1 with a message on stderr."""
    options = _parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        return run(options)
    except AppError as exc:
        print(f"remanence: {exc.message}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of our output has gone, as in `remanence ... | head`
        sys.stderr.close()
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="remanence",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    dev = commands.add_parser("dev", help="everything on this machine, database included")
    dev.set_defaults(run=_dev)
    serve = commands.add_parser("serve", help="the server alone, over REMANENCE_PG_URI")
    serve.set_defaults(run=_serve)
    migrate = commands.add_parser("migrate", help="bring the database to this version")
    migrate.add_argument(
        "--uri",
        help="direct or session-mode URI of the owner of the database (REMANENCE_PG_URI)",
    )
    migrate.set_defaults(run=_migrate)
    _add_doctor(commands.add_parser("doctor", help="whether a database URL will do, and remedies"))
    _add_cost(commands.add_parser("cost", help="what a month costs on AWS"))
    _add_smoke(commands.add_parser("smoke", help="whether a deployment works, from outside"))
    chat = commands.add_parser("chat", help="talk to an agent in this terminal")
    chat.add_argument("agent", nargs="?", help="id or name of the agent (the last one, or a new)")
    chat.add_argument("--url", help="base URL of the server (http://127.0.0.1:$PORT)")
    chat.set_defaults(run=_chat)
    record = commands.add_parser("record", help="the model calls of a conversation, as a file")
    record.add_argument("id", help="of the conversation or the run")
    record.add_argument("--hide-text", action="store_true", help="replace all text, not only keys")
    record.add_argument("--org", default=DEFAULT_ORG_ID, help="whose it is (the default's)")
    record.add_argument("--uri", help="of the database (REMANENCE_PG_URI)")
    record.set_defaults(run=_record)
    replay = commands.add_parser("replay", help="the request of a past step, compiled again")
    replay.add_argument("step", help="id of the step, or a file that `record` has made")
    replay.add_argument("--org", default=DEFAULT_ORG_ID, help="whose step it is (the default's)")
    replay.add_argument("--uri", help="of the database (REMANENCE_PG_URI)")
    replay.set_defaults(run=_replay)
    undo = commands.add_parser("undo", help="take back what a step or a run changed in memory")
    undo.add_argument("id", help="of the step or the run")
    undo.add_argument("--org", default=DEFAULT_ORG_ID, help="whose it is (the default's)")
    undo.add_argument("--uri", help="of the database (REMANENCE_PG_URI)")
    undo.set_defaults(run=_undo)
    _add_import(commands.add_parser("import", help="bring in what was kept elsewhere"))
    _add_eval(commands.add_parser("eval", help="measure what is built in"))
    version = commands.add_parser("version", help="print the version")
    version.set_defaults(run=_version)
    return parser


def _add_doctor(doctor: argparse.ArgumentParser) -> None:
    doctor.add_argument(
        "url", nargs="?", help="of a Postgres (REMANENCE_PG_URI); - reads it from the input"
    )
    doctor.add_argument(
        "--for",
        dest="purpose",
        choices=["runtime", "deployment", "migrations"],
        default="runtime",
        help="what the URL shall be used for (runtime)",
    )
    doctor.add_argument(
        "--timeout", type=float, default=5.0, help="seconds an answer of the server may take (5)"
    )
    doctor.add_argument("--json", action="store_true", help="findings for programs")
    doctor.set_defaults(run=_doctor)


def _add_cost(cost: argparse.ArgumentParser) -> None:
    cost.add_argument("--turns", type=int, default=100_000, help="turns a month (100000)")
    cost.add_argument("--steps", type=float, default=2.0, help="model calls of a turn (2)")
    cost.add_argument(
        "--model-seconds", type=float, default=4.0, help="what one model call takes (4)"
    )
    cost.add_argument("--memory-mb", type=int, default=512, help="of the functions (512)")
    cost.add_argument(
        "--background", type=float, default=0.0, help="share (0..1) of turns nobody waits for (0)"
    )
    cost.add_argument(
        "--price", action="append", default=[], metavar="NAME=VALUE", help="replaces a list price"
    )
    cost.set_defaults(run=_cost)


def _add_smoke(smoke: argparse.ArgumentParser) -> None:
    smoke.add_argument("url", help="base URL of the deployment; its key is REMANENCE_API_KEY")
    smoke.add_argument(
        "--restart", default="", help="shell command after which another process serves"
    )
    smoke.add_argument(
        "--dead-bells", default="", help="URL of the dead-letter queue, read with AWS credentials"
    )
    smoke.set_defaults(run=_smoke)


def _add_import(imports: argparse.ArgumentParser) -> None:
    subjects = imports.add_subparsers(title="subjects", metavar="SUBJECT", required=True)
    passages = subjects.add_parser("passages", help="texts, one JSON object a line, resumable")
    passages.add_argument("file", type=Path, help='lines of {"text", "tags"?, "created_at"?}')
    passages.add_argument("--archive", required=True, help="id of the archive they go to")
    passages.add_argument("--uri", help="of the database (REMANENCE_PG_URI)")
    passages.set_defaults(run=_import_passages)


def _add_eval(evaluate: argparse.ArgumentParser) -> None:
    subjects = evaluate.add_subparsers(title="subjects", metavar="SUBJECT", required=True)
    recall = subjects.add_parser("recall", help="how well the search finds labelled evidence")
    recall.add_argument(
        "folders", nargs="+", type=Path, help="each with messages.jsonl and questions.jsonl"
    )
    recall.add_argument("--uri", help="a migrated database (a throw-away one)")
    recall.add_argument("--embedding", help="handle of the model that makes vectors (none)")
    recall.add_argument(
        "--ablation", action="store_true", help="also what is lost without each part of the search"
    )
    recall.add_argument("--runs", type=Path, help="folder for the rankings, as JSONL")
    recall.add_argument("--plot", type=Path, help="SVG file to write")
    recall.set_defaults(run=_eval_recall)
    summaries = subjects.add_parser("summaries", help="what stays in view of a long conversation")
    summaries.add_argument("folders", nargs="+", type=Path, help="each with messages.jsonl")
    summaries.add_argument(
        "--window",
        type=int,
        action="append",
        help="tokens of the context window; may be given again (4000, 8000 and 32000)",
    )
    summaries.set_defaults(run=_eval_summaries)


def _dev(_options: argparse.Namespace) -> int:
    if sys.platform == "win32":
        raise NotSupported(
            "`remanence dev` runs on Linux and macOS; on Windows use it inside WSL, or `serve` "
            "with REMANENCE_PG_URI"
        )
    from remanence.local.server import run_dev  # noqa: PLC0415  loads the web framework

    return run_dev(_server_settings(), os.environ)


def _serve(_options: argparse.Namespace) -> int:
    from remanence.local.server import run_server  # noqa: PLC0415  loads the web framework

    return run_server(_server_settings(), os.environ)


def _server_settings() -> Settings:
    from remanence.offers import read_settings  # noqa: PLC0415  loads every provider's wire

    return read_settings(os.environ)


def _migrate(options: argparse.Namespace) -> int:
    said = sys.stdin.readline().strip() if options.uri == "-" else options.uri
    given = {"REMANENCE_PG_URI": said} if said else {}
    if options.uri and not said:
        raise SettingsError(["no URL of a database came in"])
    uri = Settings.from_env({**os.environ, **given}).pg_uri
    if not uri:
        raise SettingsError(["give --uri, or set REMANENCE_PG_URI"])
    from remanence.db.migrate import migrate  # noqa: PLC0415  loads the database driver

    applied = migrate(uri, report=lambda step, seconds: print(f"{step.name}  {seconds:.2f} s"))
    print(f"{len(applied)} migration(s) applied." if applied else "Nothing to do: up to date.")
    return 0


def _doctor(options: argparse.Namespace) -> int:
    url = sys.stdin.readline().strip() if options.url == "-" else options.url
    if not url:
        from remanence.secrets import resolve_environment  # noqa: PLC0415  only where it is used

        url = Settings.from_env(resolve_environment(os.environ)).pg_uri
    if not url:
        raise SettingsError(["give the URL of a database, or set REMANENCE_PG_URI"])
    if not 0 < options.timeout < math.inf:
        raise SettingsError(["--timeout must be a number of seconds above 0"])
    from remanence.doctor.command import run_doctor  # noqa: PLC0415  loads the database driver

    return run_doctor(url, options.purpose, seconds=options.timeout, as_json=options.json)


def _cost(options: argparse.Namespace) -> int:
    from remanence.cost.arithmetic import Load  # noqa: PLC0415  only where it is used
    from remanence.cost.command import checked, describe  # noqa: PLC0415
    from remanence.cost.prices import with_overrides  # noqa: PLC0415

    load = Load(
        turns=options.turns,
        steps=options.steps,
        model_s=options.model_seconds,
        memory_mb=options.memory_mb,
        background=options.background,
    )
    print(describe(checked(load), with_overrides(options.price)))
    return 0


def _smoke(options: argparse.Namespace) -> int:
    from remanence.local.smoke import Target, run_smoke  # noqa: PLC0415  only where it is used
    from remanence.secrets import resolve_environment  # noqa: PLC0415

    settings = Settings.from_env(resolve_environment(os.environ))
    target = Target(
        base_url=options.url,
        api_key=settings.api_key or None,
        restart=options.restart,
        dead_bells_url=options.dead_bells,
    )
    return run_smoke(target, say=lambda line: print(line, flush=True))


def _chat(options: argparse.Namespace) -> int:
    settings = Settings.from_env(os.environ)
    from remanence.local.chat import run_chat  # noqa: PLC0415  loads the terminal toolkit

    base_url = options.url or f"http://127.0.0.1:{settings.port}"
    return run_chat(base_url, settings.api_key or None, options.agent)


def _record(options: argparse.Namespace) -> int:
    uri = _uri_of(options, Settings.from_env(os.environ))
    from remanence.local.cassette import recorded  # noqa: PLC0415  loads the database driver

    cassette = recorded(uri, options.id, OrgId(options.org), hides_text=options.hide_text)
    print(json.dumps(cassette, ensure_ascii=False, indent=1))
    for step in cassette["left_out"]:
        print(f"{step['step']} is left out: {step['reason']}", file=sys.stderr)
    return 0


def _play(path: Path) -> int:
    from remanence.local.cassette import play_file  # noqa: PLC0415  loads the models

    count, problems = play_file(path)
    print("\n".join([*problems, f"{count - len(problems)} of {count} steps as recorded"]))
    return 1 if problems or not count else 0


def _replay(options: argparse.Namespace) -> int:
    if Path(options.step).is_file():
        return _play(Path(options.step))
    uri = _uri_of(options, Settings.from_env(os.environ))
    from remanence.local.replay import replayed  # noqa: PLC0415  loads the database driver

    request = replayed(uri, options.step, OrgId(options.org))
    print(json.dumps(request, ensure_ascii=False, indent=2))
    print(f"{options.step}: the same bytes as were sent", file=sys.stderr)
    return 0


def _undo(options: argparse.Namespace) -> int:
    settings = Settings.from_env(os.environ)
    uri = _uri_of(options, settings)
    from remanence.local.step_undo import undo_memory  # noqa: PLC0415  loads the server

    lines = undo_memory(settings, os.environ, options.id, uri=uri, org_id=OrgId(options.org))
    print("\n".join(lines) or f"{options.id}: nothing to take back")
    return 0


def _uri_of(options: argparse.Namespace, settings: Settings) -> str:
    uri: str = options.uri or settings.pg_uri or _uri_of_home(settings)
    if not uri:
        raise SettingsError(
            ["give --uri, or set REMANENCE_PG_URI, or start `dev` of the same REMANENCE_HOME"]
        )
    return uri


def _uri_of_home(settings: Settings) -> str:
    """The database of a `dev` that is serving; "" if none is."""
    from remanence.local.home import home_of  # noqa: PLC0415  only where it is used
    from remanence.local.postgres import EmbeddedPostgres  # noqa: PLC0415  loads the driver

    home = home_of(settings.home)
    if not (home / "postgres").is_dir():
        return ""
    postgres = EmbeddedPostgres(home, pg_bin=os.environ.get("PG_BIN", ""))
    return postgres.app_uri if postgres.is_running else ""


def _import_passages(options: argparse.Namespace) -> int:
    settings = Settings.from_env(os.environ)
    uri = _uri_of(options, settings)
    from rich.console import Console  # noqa: PLC0415  of the server extra

    from remanence.local.passage_file import import_passages  # noqa: PLC0415  loads the server
    from remanence.local.passage_view import ImportView  # noqa: PLC0415

    with ImportView(Console()) as view:
        stored = import_passages(
            settings,
            os.environ,
            options.file,
            archive_id=options.archive,
            uri=uri,
            show=view.show,
        )
    print(f"{stored:,} passage(s) stored.")
    return 0


def _eval_recall(options: argparse.Namespace) -> int:
    from remanence.evaluation.command import measure_recall  # noqa: PLC0415  loads the server

    measure_recall(
        Settings.from_env(os.environ),
        os.environ,
        options.folders,
        uri=options.uri,
        embedding=options.embedding,
        ablation=options.ablation,
        runs=options.runs,
        plot=options.plot,
        say=print,
    )
    return 0


def _eval_summaries(options: argparse.Namespace) -> int:
    from remanence.evaluation.summaries import measure_summaries  # noqa: PLC0415

    measure_summaries(options.folders, windows=options.window or [4_000, 8_000, 32_000], say=print)
    return 0


def _version(_options: argparse.Namespace) -> int:
    print(__version__)
    return 0
