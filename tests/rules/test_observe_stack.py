"""Alarms and dashboard watch what this deployment has, and connections stay within the pooler."""

from __future__ import annotations

import json
import re
import tomllib
from functools import cache
from typing import Any

import pytest
import yaml
from support.bundle import REPOSITORY, CloudFormation
from support.template import of_type, template

from remanence.aws.watch import COUNTS, TIMES

# What the pooler serves at once besides: a migration and somebody with psql.
SPARE_CLIENTS = 10


@cache
def observe() -> dict[str, Any]:
    source = (REPOSITORY / "infra" / "observe.yaml").read_text()
    written: dict[str, Any] = yaml.load(source, Loader=CloudFormation)  # noqa: S506  a SafeLoader
    return written


def alarms() -> dict[str, dict[str, Any]]:
    return {
        name: resource["Properties"]
        for name, resource in observe()["Resources"].items()
        if resource["Type"] == "AWS::CloudWatch::Alarm"
    }


def metrics_of(alarm: dict[str, Any]) -> list[tuple[str, str]]:
    if "Metrics" not in alarm:
        return [(alarm["Namespace"], alarm["MetricName"])]
    found = [part["MetricStat"]["Metric"] for part in alarm["Metrics"] if "MetricStat" in part]
    return [(metric["Namespace"], metric["MetricName"]) for metric in found]


def dashboard() -> dict[str, Any]:
    body = observe()["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    shown: dict[str, Any] = json.loads(re.sub(r"\$\{[\w:]+\}", "1", body))
    return shown


def test_nested_stack_gets_every_parameter_it_has() -> None:
    given = template()["Resources"]["Observe"]["Properties"]

    assert given["TemplateURL"] == "infra/observe.yaml"
    assert given["Parameters"].keys() == observe()["Parameters"].keys()
    assert all(parameter["Description"] for parameter in observe()["Parameters"].values())


@pytest.mark.parametrize(
    "metric",
    [
        ("AWS/ApiGateway", "5XXError"),
        ("Remanence", "StepErrors"),
        ("AWS/SQS", "ApproximateNumberOfMessagesVisible"),
        ("AWS/SQS", "ApproximateAgeOfOldestMessage"),
        ("AWS/Lambda", "Throttles"),
        ("Remanence", "StepMs"),
    ],
)
def test_there_is_an_alarm_for(metric: tuple[str, str]) -> None:
    assert metric in [found for alarm in alarms().values() for found in metrics_of(alarm)]


def test_alarms_say_what_to_do_and_may_be_sent_on() -> None:
    for name, alarm in alarms().items():
        assert len(alarm["AlarmDescription"]) > 40, name
        assert alarm["AlarmActions"], name
        assert alarm["TreatMissingData"] == "notBreaching", "nothing happens, nothing is wrong"


def test_own_metrics_that_are_watched_are_emitted() -> None:
    emitted = {"Steps", "StepErrors", *COUNTS, *TIMES}
    alarmed = {
        metric
        for alarm in alarms().values()
        for namespace, metric in metrics_of(alarm)
        if namespace == "Remanence"
    }
    shown = {
        row[1]
        for widget in dashboard()["widgets"]
        for row in widget["properties"]["metrics"]
        if row[0] == "Remanence"
    }

    assert alarmed
    assert {"PromptTokens", "CompletionTokens", "StepMs"} <= shown
    assert alarmed | shown <= emitted


def test_dashboard_shows_tokens_and_dollars() -> None:
    titles = " ".join(widget["properties"]["title"] for widget in dashboard()["widgets"])

    assert "Tokens" in titles
    assert "Dollars" in titles


def test_functions_together_hold_fewer_connections_than_the_pooler_admits() -> None:
    functions = of_type("AWS::Lambda::Function")
    defaults = {name: value.get("Default") for name, value in template()["Parameters"].items()}

    for stage, overrides in stages().items():
        values = defaults | overrides
        reserved = [
            _reserved(functions[name]["ReservedConcurrentExecutions"], values)
            for name in ("ApiFunction", "ChatFunction", "StepFunction", "CompactFunction")
        ]
        assert sum(reserved) + SPARE_CLIENTS <= int(values["PoolerClients"]), stage


def test_step_function_may_run_as_often_as_its_queue_calls_it() -> None:
    (source,) = of_type("AWS::Lambda::EventSourceMapping").values()
    step = of_type("AWS::Lambda::Function")["StepFunction"]

    called = source["ScalingConfig"]["MaximumConcurrency"]
    assert step["ReservedConcurrentExecutions"]["Fn::If"][1] == called == {"Ref": "StepConcurrency"}


def stages() -> dict[str, dict[str, str]]:
    """What each stage of samconfig.toml overrides."""
    config = tomllib.loads((REPOSITORY / "samconfig.toml").read_text())
    found = {
        stage: dict(
            text.split("=", 1) for text in tables["deploy"]["parameters"]["parameter_overrides"]
        )
        for stage, tables in config.items()
        if isinstance(tables, dict)
    }
    assert found.keys() == {"default", "prod"}
    for overrides in found.values():
        assert overrides.keys() <= template()["Parameters"].keys()
    return found


def _reserved(value: Any, parameters: dict[str, Any]) -> int:
    reserved = value["Fn::If"][1]
    return int(parameters[reserved["Ref"]] if isinstance(reserved, dict) else reserved)
