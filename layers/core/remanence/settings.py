"""What a deployment sets. Read once, at start, from a mapping; all problems reported at once.

Only `wiring`, `cli` and `local` import this. Provider keys are not here: the table of vendors
(`llm/vendors.py`) reads them from the same mapping.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from remanence.errors import SettingsError
from remanence.sealing import read_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


DEFAULT_PORT = 8283


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings of the project. The variable of a field is `REMANENCE_` + its name in capitals.

    Fields with another variable (`PORT`, `LETTA_PG_URI`) say so.
    """

    # The database, as a libpq URI. Alias: LETTA_PG_URI. Empty: `dev` starts its own.
    pg_uri: str = ""
    # Name of an SSM SecureString that holds the database URI (Lambda).
    pg_uri_parameter: str = ""
    # If set, callers must send it: `Authorization: Bearer ...`.
    api_key: str = ""
    # Name of an SSM SecureString that holds the API key (Lambda).
    api_key_parameter: str = ""
    # Name of an SSM SecureString of NAME=value lines: keys of model providers (Lambda).
    provider_keys_parameter: str = ""
    # Seals what is stored but must not be read: 32 bytes in base64 or hex; older ones behind it.
    secrets_key: str = ""
    # Name of an SSM SecureString that holds it (Lambda).
    secrets_key_parameter: str = ""
    # Where the laptop's embedded database lives. Default: ~/.remanence
    home: str = ""
    # Variable: PORT. The loopback port of the server.
    port: int = DEFAULT_PORT
    # Variable: HOST. Where `serve` listens; containers need 0.0.0.0.
    host: str = "127.0.0.1"
    # Handle used by an agent that is created without a model.
    default_model: str = ""
    # Handle used by an agent that is created without an embedding model; empty: lexical only.
    default_embedding: str = ""
    # 0: models are called with an organization's own keys only (/v1/providers/).
    share_providers: int = 1
    # What models cost, as JSON or the path of a file of it; see llm/prices.py.
    prices: str = ""
    # One step's time limit, in seconds: model call, tools and commit.
    step_limit_s: int = 120
    # How long a message waits for a busy conversation before it gets 409, in seconds.
    busy_wait_s: float = 10.0
    # SQS FIFO queue that starts the next step; empty: in this process.
    step_queue_url: str = ""
    # Lambda function that runs custom tools; empty: a process of its own on this machine.
    tool_function: str = ""
    # Packages custom tools may require, as `name` or `name==version`; they must be installed.
    tool_requirements: str = ""
    # Web pages that may call from a browser, as origins separated by commas; `*` for any.
    cors_origins: str = ""
    # 1: custom tools run on this machine may use the network.
    tool_network: int = 0
    # Signs callbacks (HMAC-SHA256); empty: they are not signed.
    callback_secret: str = ""
    # 1: callbacks may go to private addresses (a laptop, tests).
    callback_private: int = 0
    # Connections of a server's pool (a Lambda environment always has one).
    pool_size: int = 8
    # Share (0..1) of the context window above which the sweep compacts a conversation.
    compact_at: float = 0.7
    # What one sweep may spend on summaries: calls of a model, and tokens in and out.
    sweep_model_calls: int = 200
    sweep_model_tokens: int = 2_000_000

    @classmethod
    def from_env(
        cls, env: Mapping[str, str], *, also: Callable[[Settings], list[str]] | None = None
    ) -> Settings:
        """Read every field from `env`; unset variables keep their default.

        Args:
            env: variables by name.
            also: what else is wrong with the settings as far as they could be read, so that it
                is reported together with the rest.

        Raises:
            SettingsError: lists every variable that cannot be read.
        """
        problems: list[str] = []
        settings = _read(env, problems)
        problems += also(settings) if also else []
        if problems:
            raise SettingsError(problems)
        return settings


# Scheme, host and perhaps a port: what a browser sends as `Origin`.
_ORIGIN = r"\*|[a-z][a-z0-9+.-]*://[^\s/?#@*]+"


def read_origins(text: str) -> tuple[str, ...]:
    """The origins of `cors_origins`."""
    return tuple(origin.strip() for origin in text.split(",") if origin.strip())


_VARIABLES = {"port": "PORT", "host": "HOST"}
_ALIASES = {"pg_uri": "LETTA_PG_URI"}


def variable_of(field_name: str) -> str:
    """The environment variable of a settings field."""
    return _VARIABLES.get(field_name, f"REMANENCE_{field_name.upper()}")


def _read(env: Mapping[str, str], problems: list[str]) -> Settings:
    values: dict[str, str | int | float] = {}
    for spec in fields(Settings):
        variable = variable_of(spec.name)
        raw = env.get(variable) or env.get(_ALIASES.get(spec.name, ""), "")
        if not raw:
            continue
        values[spec.name] = _convert(variable, raw.strip(), spec.default, problems)
    if "pg_uri" in values:
        # SQLAlchemy's way to name a driver, which the retired server's URIs have.
        values["pg_uri"] = re.sub(r"^(postgres(?:ql)?)\+\w+://", r"\1://", str(values["pg_uri"]))
    settings = Settings(**values)  # type: ignore[arg-type]  # each value has its default's type
    problems += _check(settings)
    return settings


def _convert(variable: str, raw: str, default: object, problems: list[str]) -> str | int | float:
    if isinstance(default, str):
        return raw
    number = int if isinstance(default, int) else float
    try:
        return number(raw)
    except ValueError:
        problems.append(f"{variable} must be a number, and is {raw!r}")
        return number(0)


def _check(settings: Settings) -> list[str]:
    checks = [
        (0 <= settings.port <= 65_535, "PORT must be between 0 and 65535"),
        (settings.step_limit_s > 0, "REMANENCE_STEP_LIMIT_S must be above 0"),
        (settings.pool_size > 0, "REMANENCE_POOL_SIZE must be above 0"),
        (0 < settings.compact_at <= 1, "REMANENCE_COMPACT_AT must be above 0 and at most 1"),
        (
            not settings.pg_uri or settings.pg_uri.startswith(("postgres://", "postgresql://")),
            "REMANENCE_PG_URI must begin with postgresql:// (the value is not shown)",
        ),
        (
            all(re.fullmatch(_ORIGIN, origin) for origin in read_origins(settings.cors_origins)),
            "REMANENCE_CORS_ORIGINS must be `*`, or origins without a path, such as "
            f"https://app.example.org, separated by commas, and is {settings.cors_origins!r}",
        ),
    ]
    return [text for holds, text in checks if not holds] + _unusable_keys(settings.secrets_key)


def _unusable_keys(text: str) -> list[str]:
    try:
        read_keys(text)
    except ValueError as exc:
        return [f"REMANENCE_SECRETS_KEY: {exc} (the value is not shown)"]
    return []
