"""Which models a deployment offers, and which of them an agent gets that names none.

Path: wiring and cli -> here -> llm.models. Looks at the settings and at the providers that the
environment makes usable; what is not there is said at start.
"""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from remanence.errors import SettingsError
from remanence.llm.local_embeddings import LocalEmbedder
from remanence.llm.models import Models
from remanence.llm.prices import read_prices
from remanence.llm.tenants import Tenants
from remanence.llm.vendors import configured, reachable
from remanence.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from remanence.core.ids import OrgId
    from remanence.core.own_providers import OwnProvider
    from remanence.core.spend import Price
    from remanence.llm.models import InProcessModel
    from remanence.llm.vendors import Provider
    from remanence.sealing import Sealer

# How long the start waits for a provider to say what it offers, in seconds.
FIRST_LOOK_S = 3.0
# What an agent without a model gets from a vendor: a capable one of moderate price.
_FIRST_MODELS = {
    "openai": "openai/gpt-5-mini",
    "anthropic": "anthropic/claude-haiku-4-5",
    "gemini": "gemini/gemini-2.5-flash",
    "openrouter": "openrouter/openai/gpt-5-mini",
    "groq": "groq/llama-3.3-70b-versatile",
    "deepseek": "deepseek/deepseek-chat",
}


def read_settings(env: Mapping[str, str]) -> Settings:
    """The settings of a server, whose models can be called as far as one can tell without asking.

    Raises:
        SettingsError: lists every variable that cannot be used.
    """
    return Settings.from_env(env, also=partial(_unknown_models, env=env))


def _unknown_models(settings: Settings, env: Mapping[str, str]) -> list[str]:
    """Which handles of the settings no configured provider answers to."""
    try:
        models = _models_of(settings, configured(env))
    except SettingsError as error:
        return list(error.problems)
    offered = ", ".join(provider.vendor.name for provider in configured(env)) or "none"
    hint = f"which no configured provider serves (providers with a key or an address: {offered})"
    model, embedding = settings.default_model, settings.default_embedding
    problems: list[str] = []
    if model and not models.knows(model):
        problems.append(f"REMANENCE_DEFAULT_MODEL is {model!r}, {hint}")
    if embedding and not models.knows_embedding(embedding):
        problems.append(f"REMANENCE_DEFAULT_EMBEDDING is {embedding!r}, {hint}")
    return problems


def build_models(settings: Settings, env: Mapping[str, str], *, may_ask: bool) -> Models:
    """All models, with the handle of an agent that names none.

    `may_ask`: a model server of one's own may be asked, now, for the model that is its first.
    """
    providers = configured(env)
    models = _models_of(settings, providers)
    if not models.default_handle:
        models.default_handle = _default_model(models, providers, may_ask=may_ask)
    return models


def build_tenants(
    settings: Settings,
    env: Mapping[str, str],
    models: Models,
    sealer: Sealer,
    load: Callable[[OrgId], Sequence[OwnProvider]],
) -> Tenants:
    """The models of each organization; `load` reads the providers that it brought keys of."""
    return Tenants(
        models,
        places=reachable(env),
        opener=sealer,
        load=load,
        shares=bool(settings.share_providers),
    )


def _models_of(settings: Settings, providers: Sequence[Provider]) -> Models:
    in_process: dict[str, InProcessModel] = {}
    if not providers or settings.default_model.startswith("demo/"):
        from remanence.demo.model import DemoModel  # noqa: PLC0415  only where it is used

        in_process["demo"] = DemoModel()
    return Models(
        providers,
        in_process=in_process,
        default_handle=settings.default_model,
        prices=_prices(settings.prices),
        local=LocalEmbedder(Path(settings.home or "~/.remanence", "models")),
    )


def _prices(given: str) -> Mapping[str, Price]:
    """The user's prices: as they stand in the setting, or in the file that it names."""
    if given and not given.lstrip().startswith("{"):
        try:
            given = Path(given).read_text(encoding="utf-8")
        except OSError as error:
            problem = f"REMANENCE_PRICES names a file that cannot be read: {error.strerror}"
            raise SettingsError([problem]) from None
    return read_prices(given)


def _default_model(models: Models, providers: Sequence[Provider], *, may_ask: bool) -> str:
    """The handle of an agent that names none: the first provider's; "" when nobody knows."""
    if not providers:
        return "demo/remanence-demo"
    vendor, base_url = providers[0].vendor, providers[0].base_url
    if vendor.name in _FIRST_MODELS and base_url == vendor.default_base_url:
        return _FIRST_MODELS[vendor.name]
    if not may_ask:
        return ""
    # A server of one's own offers what it offers: its first model.
    offered = models.list_models(deadline=time.monotonic() + FIRST_LOOK_S)
    return offered[0].handle if offered else ""
