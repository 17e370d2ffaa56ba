"""Keys of organizations: each is for its own calls, from the next call on, and nowhere else."""

from __future__ import annotations

import gc
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from support.conversations import a_request
from support.wires import Failure, OpenAIServer, a_reply

from remanence.core.exchange import Reply
from remanence.core.ids import OrgId
from remanence.core.own_providers import OwnProvider, hint_of, place_of
from remanence.core.spend import Price
from remanence.errors import InvalidRequest, NotFound, ProviderRefusedKey, SealBroken
from remanence.llm import tenants as module
from remanence.llm.models import Models
from remanence.llm.retry import Pace
from remanence.llm.tenants import Tenants
from remanence.llm.vendors import configured, reachable
from remanence.sealing import Sealer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ACME, BOREAL = OrgId("org-acme"), OrgId("org-boreal")
SEALER = Sealer([bytes(range(32))])
ENVIRONMENT_KEY = "key-of-the-deployment"


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as started:
        yield started
        while MADE:
            MADE.pop().close()


# Closed after each test.
MADE: list[Tenants] = []


def tenants_at(
    server: OpenAIServer,
    stored: dict[OrgId, Sequence[OwnProvider]] | None = None,
    *,
    sealer: Sealer = SEALER,
    shares: bool = True,
    prices: dict[str, Price] | None = None,
) -> Tenants:
    env = {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": ENVIRONMENT_KEY}
    models = Models(configured(env), pace=Pace(sleep=lambda _seconds: None), prices=prices)
    made = Tenants(
        models,
        places=reachable(env),
        opener=sealer,
        load=lambda org_id: (stored or {}).get(org_id, ()),
        shares=shares,
    )
    MADE.append(made)
    return made


def brought(org_id: OrgId, key: str, name: str = "openai", number: int = 1) -> OwnProvider:
    own = OwnProvider(id=f"provider-{number}", name=name, provider_type="openai", api_key="")
    place = place_of(org_id, own.id, own.provider_type, own.name)
    return replace(own, api_key=SEALER.seal(key, *place))


def say(models: Models, handle: str = "openai/llama") -> Reply:
    request = a_request(handle=handle)
    *_, reply = models.call(request, stream=True, deadline=time.monotonic() + 20)
    assert isinstance(reply, Reply)
    return reply


def sent_keys(server: OpenAIServer) -> list[str]:
    return [
        received.headers["authorization"].removeprefix("Bearer ")
        for received in server.received
        if received.method == "POST"
    ]


def test_own_key_goes_before_the_deployments_which_others_go_on_with(server: OpenAIServer) -> None:
    tenants = tenants_at(server, {ACME: [brought(ACME, "key-of-acme")]})

    say(tenants.models_of(ACME))
    say(tenants.models_of(BOREAL))
    tenants.models_of(ACME).embed("openai/bge", ["a"], deadline=time.monotonic() + 20)
    say(tenants.models_of(ACME), "openai-proxy/llama")

    acme = "key-of-acme"
    assert sent_keys(server) == [acme, ENVIRONMENT_KEY, acme, acme]


def test_new_key_is_used_by_the_next_call_and_the_old_one_no_more(server: OpenAIServer) -> None:
    tenants = tenants_at(server)

    for key in ("first-key", "second-key"):
        own = [brought(ACME, key)]
        say(tenants.models_of(ACME, own))
        say(tenants.models_of(ACME, own))
    say(tenants.models_of(ACME, []))

    assert sent_keys(server) == [*["first-key"] * 2, *["second-key"] * 2, ENVIRONMENT_KEY]


def test_organizations_at_once_never_use_each_others_key(server: OpenAIServer) -> None:
    orgs = [OrgId(f"org-{number}") for number in range(4)]
    tenants = tenants_at(server, {org: [brought(org, f"key-of-{org}")] for org in orgs})

    def ask(place: int) -> None:
        org_id = orgs[place % len(orgs)]
        request = replace(a_request(handle="openai/llama"), system=org_id)
        list(tenants.models_of(org_id).call(request, stream=True, deadline=time.monotonic() + 60))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(64)))

    asked = {
        (received.body["messages"][0]["content"], received.headers["authorization"])
        for received in server.received
    }
    assert asked == {(org_id, f"Bearer key-of-{org_id}") for org_id in orgs}
    assert len(server.received) == 64


def test_connections_of_a_key_stay_open_while_it_is_used_and_close_behind_it(
    server: OpenAIServer,
) -> None:
    tenants = tenants_at(server)
    server.answers += [a_reply("one two three four")]
    request = a_request(handle="openai/llama")
    under_way = tenants.models_of(ACME, [brought(ACME, "old-key")]).call(
        request, stream=True, deadline=time.monotonic() + 20
    )
    next(iter(under_way))
    (line,) = tenants._kept[ACME].values()
    client, old = line._wire._client, weakref.ref(line)
    del line

    say(tenants.models_of(ACME, [brought(ACME, "new-key")]))
    assert client._sdk is not None
    *_, reply = under_way

    assert isinstance(reply, Reply)
    assert reply.text == "one two three four"
    del under_way
    gc.collect()
    assert (old(), client._sdk) == (None, None)


def test_only_so_many_organizations_are_kept_connected(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_KEPT", 1)
    tenants = tenants_at(server, {org: [brought(org, f"key-of-{org}")] for org in (ACME, BOREAL)})

    for org_id in (ACME, BOREAL, ACME):
        say(tenants.models_of(org_id))

    assert sent_keys(server) == [f"key-of-{org}" for org in (ACME, BOREAL, ACME)]


def test_provider_by_a_name_of_its_own_has_its_own_handles(server: OpenAIServer) -> None:
    server.pages["/v1/models"] = {"data": [{"id": "llama", "max_model_len": 4_096}]}
    prices = {"openai/llama": Price(input=1.0, output=2.0)}
    own = {ACME: [brought(ACME, "key-of-acme", "acme")]}
    models = tenants_at(server, own, prices=prices).models_of(ACME)

    say(models, "acme/llama")
    say(models, "openai/llama")

    listed = models.list_models(deadline=time.monotonic() + 20)
    assert [(info.handle, info.is_tenants) for info in listed] == [
        ("acme/llama", True),
        ("openai/llama", False),
    ]
    assert sent_keys(server) == ["key-of-acme", ENVIRONMENT_KEY]
    assert models.context_window("acme/llama") == 4_096
    assert models.price("acme/llama") == prices["openai/llama"]
    with pytest.raises(NotFound, match=r"available: openai/\.\.\.$"):
        say(tenants_at(server, own).models_of(BOREAL), "acme/llama")


def test_what_failed_with_one_key_is_not_held_against_another(server: OpenAIServer) -> None:
    tenants = tenants_at(server, {ACME: [brought(ACME, "key-of-acme")]})
    server.answers += [Failure("401", quotes_key=True)]

    with pytest.raises(ProviderRefusedKey) as raised:
        say(tenants.models_of(ACME))

    assert "key-of-acme" not in repr(raised.value)
    assert say(tenants.models_of(BOREAL)).text == "ok"


def test_deployments_keys_are_kept_from_tenants_if_it_says_so(server: OpenAIServer) -> None:
    own = {ACME: [brought(ACME, "key-of-acme")]}
    tenants = tenants_at(server, own, shares=False)

    say(tenants.models_of(ACME))
    with pytest.raises(NotFound, match="no provider is configured"):
        say(tenants.models_of(BOREAL))
    assert not tenants.models_of(BOREAL).knows_embedding("openai/bge")

    assert sent_keys(server) == ["key-of-acme"]


def test_key_that_does_not_open_is_said_and_nobody_elses_stands_in(server: OpenAIServer) -> None:
    moved = replace(brought(BOREAL, "key-of-boreal"), id="provider-1")
    tenants = tenants_at(server, {ACME: [moved, brought(ACME, "k" * 20, "acme", 2)]})

    for handle in ("openai/llama", "openai-proxy/llama"):
        with pytest.raises(SealBroken, match="set it anew"):
            say(tenants.models_of(ACME), handle)

    say(tenants.models_of(ACME), "acme/llama")
    assert sent_keys(server) == ["k" * 20]


def test_providers_are_not_read_where_none_can_be_stored(server: OpenAIServer) -> None:
    def unreachable(_org_id: OrgId) -> Sequence[OwnProvider]:
        raise AssertionError("read")

    tenants = tenants_at(server, sealer=Sealer([]))
    tenants._load = unreachable

    assert say(tenants.models_of(ACME)).text == "ok"


@pytest.mark.parametrize(
    ("provider_type", "name", "base_url", "field"),
    [
        ("acme", "acme", None, "provider_type"),
        ("bedrock", "bedrock", None, "provider_type"),
        ("ollama", "ollama", None, "provider_type"),
        ("openai", "anthropic", None, "name"),
        ("google_ai", "openai-proxy", None, "name"),
        ("openai", "acme", "http://169.254.169.254/v1", "base_url"),
        ("anthropic", "acme", "http://127.0.0.1:1", "base_url"),
    ],
)
def test_key_that_would_go_elsewhere_is_refused(
    server: OpenAIServer, provider_type: str, name: str, base_url: str | None, field: str
) -> None:
    with pytest.raises(InvalidRequest) as raised:
        tenants_at(server).check_place(provider_type, name, base_url)

    assert raised.value.field == field


def test_key_is_taken_where_the_vendor_is(server: OpenAIServer) -> None:
    tenants = tenants_at(server)

    tenants.check_place("google_ai", "google_ai", None)
    tenants.check_place("openai", "openai-proxy", f"{server.base_url}/")
    tenants.check_place("anthropic", "claude", "https://api.anthropic.com")


def test_only_the_end_of_a_long_key_is_shown() -> None:
    assert hint_of("sk-proj-0123456789abcd") == "abcd"
    assert hint_of("short-key") == ""
    assert "gcm1" not in repr(brought(ACME, "key-of-acme"))
