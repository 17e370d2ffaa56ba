"""Keys that an organization brings, over HTTP: sealed, never shown, used by the next call."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx
import psycopg
import pytest
from support.pg_proxy import CountingProxy
from support.server import SEALER, serving
from support.wires import Failure, OpenAIServer
from support.world import World, an_agent, an_order, ended

from remanence.core.ids import DEFAULT_ORG_ID as ORG
from remanence.core.ids import OrgId
from remanence.core.own_providers import OwnProvider, place_of
from remanence.db.providers import MOST_PROVIDERS, Providers
from remanence.db.queries import Queries
from remanence.db.seed import seed
from remanence.engine.sweep import sweep
from remanence.llm.models import Models
from remanence.llm.retry import Pace
from remanence.llm.tenants import Tenants
from remanence.llm.vendors import configured, reachable
from remanence.sealing import Sealer

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from letta_client import Letta
    from support.pg import Database
    from support.server import Server

KEY, NEXT_KEY = "sk-own-0123456789-abcd", "sk-own-9876543210-wxyz"
ENVIRONMENT_KEY = "sk-of-the-deployment"


@pytest.fixture(scope="module")
def started() -> Iterator[OpenAIServer]:
    with OpenAIServer() as started:
        yield started


@pytest.fixture
def vendor(started: OpenAIServer) -> OpenAIServer:
    started.pages["/v1/models"] = {"data": [{"id": "llama", "max_model_len": 32_768}]}
    started.received.clear()
    return started


def environment(vendor: OpenAIServer) -> dict[str, str]:
    return {"OPENAI_BASE_URL": vendor.base_url, "OPENAI_API_KEY": ENVIRONMENT_KEY}


def models_at(vendor: OpenAIServer) -> Models:
    return Models(configured(environment(vendor)), pace=Pace(sleep=lambda _seconds: None))


@pytest.fixture(scope="module")
def running(database: Database, started: OpenAIServer) -> Generator[Server]:
    models, places = models_at(started), reachable(environment(started))
    with serving(database, models=models, places=places) as running:
        yield running
        running.deps.tenants.close()


@pytest.fixture
def server(running: Server) -> Generator[Server]:
    """The server; nobody has brought anything when a test begins, and afterwards."""
    with psycopg.connect(running.database.admin_uri, autocommit=True) as conn:
        conn.execute("delete from remanence.providers")
        yield running
        conn.execute("delete from remanence.providers")


@pytest.fixture
def client(server: Server) -> Generator[Letta]:
    with server.client() as client:
        yield client


@pytest.fixture
def http(server: Server) -> Generator[httpx.Client]:
    with httpx.Client(base_url=server.base_url, timeout=60) as client:
        yield client


def bring(http: httpx.Client, name: str = "openai", **fields: Any) -> httpx.Response:
    body = {"name": name, "provider_type": "openai", "api_key": KEY} | fields
    return http.post("/v1/providers/", json=body)


def sent_keys(vendor: OpenAIServer, path: str = "/v1/chat/completions") -> list[str]:
    return [
        received.headers["authorization"].removeprefix("Bearer ")
        for received in vendor.received
        if received.path == path
    ]


def talk(client: Letta, agent_id: str) -> None:
    client.agents.messages.create(agent_id, messages=[{"role": "user", "content": "hello"}])


def test_key_is_stored_sealed_and_shown_by_its_end_alone(
    server: Server, http: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    made = bring(http)
    path = f"/v1/providers/{made.json()['id']}"
    changed = http.patch(path, json={"api_key": NEXT_KEY})
    answers = [made, changed, http.get(path), http.get("/v1/providers/"), bring(http)]

    assert made.json()["api_key"] is None
    assert [answer.json()["api_key_hint"] for answer in answers[:3]] == ["abcd", "wxyz", "wxyz"]
    assert [each["name"] for each in answers[3].json()] == ["openai"]
    assert (answers[4].status_code, made.json()["provider_category"]) == (409, "byok")
    with psycopg.connect(server.database.admin_uri) as conn:
        (row,) = conn.execute("select to_jsonb(p) from remanence.providers as p").fetchall()
    assert row[0]["api_key"].startswith("gcm1:")
    everything = "".join(answer.text for answer in answers) + str(row) + caplog.text
    assert KEY not in everything
    assert NEXT_KEY not in everything


def test_own_key_is_used_from_the_next_message_on_until_it_is_deleted(
    client: Letta, http: httpx.Client, vendor: OpenAIServer
) -> None:
    agent = client.agents.create(model="openai/llama", include_base_tools=False)

    talk(client, agent.id)
    path = f"/v1/providers/{bring(http).json()['id']}"
    talk(client, agent.id)
    http.patch(path, json={"api_key": NEXT_KEY})
    talk(client, agent.id)
    deleted = http.delete(path)
    talk(client, agent.id)

    assert sent_keys(vendor) == [ENVIRONMENT_KEY, KEY, NEXT_KEY, ENVIRONMENT_KEY]
    assert deleted.json() == {"message": f"Provider id={path[-45:]} successfully deleted"}
    assert [http.request(verb, path).status_code for verb in ("GET", "DELETE")] == [404, 404]


def test_texts_are_embedded_with_the_own_key_too(
    client: Letta, http: httpx.Client, vendor: OpenAIServer
) -> None:
    bring(http)
    agent = client.agents.create(model="openai/llama", embedding="openai/bge")

    client.agents.passages.create(agent.id, text="tea is green")
    client.agents.passages.search(agent.id, query="tea")

    assert sent_keys(vendor, "/v1/embeddings") == [KEY, KEY]


def test_models_of_a_provider_with_a_name_are_listed_and_called_by_it(
    client: Letta, http: httpx.Client, vendor: OpenAIServer
) -> None:
    bring(http, "acme")

    own = client.models.list(provider_category=["byok"])
    agent = client.agents.create(model="acme/llama", include_base_tools=False)
    talk(client, agent.id)

    assert [(model.handle, model.provider_category) for model in own] == [("acme/llama", "byok")]
    assert [m.handle for m in client.models.list(provider_category=["base"])] == ["openai/llama"]
    assert sent_keys(vendor) == [KEY]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"base_url": "http://169.254.169.254/latest"}, "base_url"),
        ({"provider_type": "ollama"}, "provider_type"),
        ({"name": "anthropic"}, "name"),
        ({"name": "a/b"}, "name"),
        ({"api_key": f"{KEY}\nX-Other: 1"}, "api_key"),
        ({"api_key": " "}, "api_key"),
        ({"api_key": None}, "api_key"),
    ],
)
def test_what_cannot_be_used_is_refused_by_its_field_and_not_repeated(
    http: httpx.Client, fields: dict[str, Any], field: str
) -> None:
    answer = bring(http, **fields)

    assert answer.status_code == 422
    assert field in answer.text
    assert KEY not in answer.text
    assert http.get("/v1/providers/").json() == []


def test_without_a_sealing_key_no_key_is_taken(database: Database, vendor: OpenAIServer) -> None:
    places = reachable(environment(vendor))
    options = {"models": models_at(vendor), "places": places, "sealer": Sealer([])}
    with (
        serving(database, **options) as server,
        httpx.Client(base_url=server.base_url, timeout=60) as http,
    ):
        answer = bring(http)

        assert answer.status_code == 501
        assert "REMANENCE_SECRETS_KEY" in answer.text
        assert http.get("/v1/providers/").json() == []


def test_key_can_be_tried_before_and_after_it_is_stored(
    http: httpx.Client, vendor: OpenAIServer
) -> None:
    given = {"provider_type": "openai", "api_key": KEY}
    path = f"/v1/providers/{bring(http).json()['id']}/check"

    good = [http.post("/v1/providers/check", json=given), http.post(path)]
    vendor.pages["/v1/models"] = Failure("401", quotes_key=True)
    bad = [http.post("/v1/providers/check", json=given), http.post(path)]

    assert [answer.status_code for answer in good] == [200, 200]
    assert good[0].json() == {"message": "Valid api key for provider_type=openai"}
    assert {answer.json()["error"]["type"] for answer in bad} == {"llm_authentication"}
    assert KEY not in "".join(answer.text for answer in bad)


def test_an_organization_has_so_many_providers_and_no_more(
    server: Server, http: httpx.Client
) -> None:
    for number in range(MOST_PROVIDERS):
        assert bring(http, f"acme-{number}").status_code == 200

    refused = bring(http, "one-more")

    assert refused.status_code == 422
    assert str(MOST_PROVIDERS) in refused.text
    page = http.get("/v1/providers/", params={"limit": 2, "order": "asc"}).json()
    after = {"limit": 1, "order": "asc", "after": page[-1]["id"]}
    assert [each["name"] for each in page] == ["acme-0", "acme-1"]
    assert [each["name"] for each in http.get("/v1/providers/", params=after).json()] == ["acme-2"]


def test_step_reads_the_keys_with_its_state_and_the_sweep_uses_them(
    fresh_database: Database, vendor: OpenAIServer
) -> None:
    proxy = CountingProxy(fresh_database.app_uri)
    world = World.over(proxy.uri)
    tenants = Tenants(
        models_at(vendor),
        places=reachable(environment(vendor)),
        opener=SEALER,
        load=Providers(Queries(world.connections)).load_own,
        shares=True,
    )
    worker = World.over(proxy.uri, tenants=tenants)
    other = OrgId("org-11111111-1111-4111-8111-111111111111")
    with psycopg.connect(fresh_database.owner_uri, autocommit=True) as owner:
        seed(owner)
        owner.execute("insert into remanence.organizations (id, name) values (%s, 'b')", [other])
    agents: dict[OrgId, str] = {}
    for org_id, key in ((ORG, KEY), (other, NEXT_KEY)):
        stored(world, org_id, key)
        agents[org_id] = an_agent(
            fresh_database.admin_uri,
            org_id=org_id,
            tools=(),
            model="openai/llama",
            embedding="openai/bge",
            context_window_limit=32_000,
        )
    first = ended(worker.say(agents[ORG], "warm up"))
    assert first.error is None
    proxy.traffic.reset()

    worker.say(agents[ORG], "hello")
    assert proxy.traffic.round_trips == 2
    list(worker.engine.start(other, an_order(agents[other], "hello"), stream=False))
    assert sent_keys(vendor) == [KEY, KEY, NEXT_KEY]

    sweep(worker.deps, share=0.9, deadline=float("inf"))
    assert set(sent_keys(vendor, "/v1/embeddings")) == {KEY, NEXT_KEY}
    tenants.close()
    world.close()
    worker.close()
    proxy.close()


def stored(world: World, org_id: OrgId, key: str) -> None:
    own = OwnProvider(
        id=world.deps.new_id("provider"), name="openai", provider_type="openai", api_key=""
    )
    place = place_of(org_id, own.id, own.provider_type, own.name)
    sealed = replace(own, api_key=SEALER.seal(key, *place))
    Providers(Queries(world.connections)).insert_provider(org_id, sealed, "")
