"""Secrets named by a deployment, fetched from SSM by requests we sign ourselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.loopback_aws import LoopbackAws

from remanence.errors import SettingsError
from remanence.secrets import resolve_environment

if TYPE_CHECKING:
    from collections.abc import Generator

URI = "postgresql://app:s3cret@db.example:6543/postgres"


@pytest.fixture
def aws() -> Generator[LoopbackAws]:
    with LoopbackAws.started() as started:
        yield started


def test_environment_without_named_parameters_makes_no_request() -> None:
    env = {"REMANENCE_PG_URI": URI, "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}

    assert resolve_environment(env) == env


def test_named_parameters_are_fetched_in_one_signed_request(aws: LoopbackAws) -> None:
    aws.parameters = {
        "/r/uri": URI,
        "/r/key": "sesame\n",
        "/r/seal": "c2VhbA==\n",
        "/r/providers": "# ours\n\nOPENAI_API_KEY=sk-1\nANTHROPIC_API_KEY = 'a=b'\n",
    }
    env = aws.environment() | {
        "REMANENCE_PG_URI_PARAMETER": "/r/uri",
        "REMANENCE_API_KEY_PARAMETER": "/r/key",
        "REMANENCE_SECRETS_KEY_PARAMETER": "/r/seal",
        "REMANENCE_PROVIDER_KEYS_PARAMETER": "/r/providers",
    }

    found = resolve_environment(env)

    assert found["REMANENCE_PG_URI"] == URI
    assert found["REMANENCE_API_KEY"] == "sesame"
    assert found["REMANENCE_SECRETS_KEY"] == "c2VhbA=="
    assert found["OPENAI_API_KEY"] == "sk-1"
    assert found["ANTHROPIC_API_KEY"] == "a=b"
    assert aws.requests == 1


def test_a_variable_that_is_set_is_not_looked_up(aws: LoopbackAws) -> None:
    env = aws.environment() | {
        "REMANENCE_PG_URI": URI,
        "REMANENCE_PG_URI_PARAMETER": "/not/there",
        "REMANENCE_PROVIDER_KEYS_PARAMETER": "",
    }

    assert resolve_environment(env)["REMANENCE_PG_URI"] == URI
    assert aws.requests == 0


def test_a_key_in_the_environment_wins_over_the_parameter(aws: LoopbackAws) -> None:
    aws.parameters = {"/r/providers": "OPENAI_API_KEY=sk-stored"}
    env = aws.environment() | {
        "REMANENCE_PROVIDER_KEYS_PARAMETER": "/r/providers",
        "OPENAI_API_KEY": "sk-set",
    }

    assert resolve_environment(env)["OPENAI_API_KEY"] == "sk-set"


def test_parameters_that_do_not_exist_are_all_named(aws: LoopbackAws) -> None:
    env = aws.environment() | {
        "REMANENCE_PG_URI_PARAMETER": "/r/uri",
        "REMANENCE_API_KEY_PARAMETER": "/r/key",
    }

    with pytest.raises(SettingsError) as caught:
        resolve_environment(env)

    assert len(caught.value.problems) == 2
    assert "REMANENCE_PG_URI_PARAMETER names '/r/uri'" in str(caught.value)


def test_a_wrong_secret_is_refused_with_the_reason(aws: LoopbackAws) -> None:
    env = aws.environment() | {
        "AWS_SECRET_ACCESS_KEY": "not-ours",
        "REMANENCE_PG_URI_PARAMETER": "/r/uri",
    }

    with pytest.raises(SettingsError, match="HTTP 403 SignatureDoesNotMatch") as caught:
        resolve_environment(env)

    assert "not-ours" not in str(caught.value)
    assert aws.requests == 1


def test_function_of_a_snapshot_fetches_its_credentials_on_its_own_machine(
    aws: LoopbackAws,
) -> None:
    aws.parameters = {"/r/uri": URI}
    env = aws.environment_of_snapshot() | {"REMANENCE_PG_URI_PARAMETER": "/r/uri"}

    assert resolve_environment(env)["REMANENCE_PG_URI"] == URI


def test_credentials_are_fetched_from_no_other_machine(aws: LoopbackAws) -> None:
    elsewhere = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://192.0.2.1/credentials"}
    env = aws.environment_of_snapshot() | elsewhere | {"REMANENCE_PG_URI_PARAMETER": "/r/uri"}

    with pytest.raises(SettingsError, match="HTTP 403"):
        resolve_environment(env)


@pytest.mark.parametrize("failure", [(500, "InternalServerError"), (400, "ThrottlingException")])
def test_a_passing_failure_is_tried_again(aws: LoopbackAws, failure: tuple[int, str]) -> None:
    aws.parameters = {"/r/uri": URI}
    aws.failures = [failure]

    found = resolve_environment(aws.environment() | {"REMANENCE_PG_URI_PARAMETER": "/r/uri"})

    assert found["REMANENCE_PG_URI"] == URI
    assert aws.requests == 2


def test_a_line_that_is_no_pair_is_refused_without_showing_it(aws: LoopbackAws) -> None:
    aws.parameters = {"/r/providers": "OPENAI_API_KEY=sk-1\nsk-lonely"}
    env = aws.environment() | {"REMANENCE_PROVIDER_KEYS_PARAMETER": "/r/providers"}

    with pytest.raises(SettingsError, match="line 2") as caught:
        resolve_environment(env)

    assert "sk-lonely" not in str(caught.value)
