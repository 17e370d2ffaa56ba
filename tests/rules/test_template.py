"""What template.yaml must keep true, asserted on what CloudFormation gets."""

from __future__ import annotations

import os
import re
from dataclasses import fields
from typing import Any

import pytest
from fastapi.routing import APIRoute
from support.bundle import FUNCTIONS, REPOSITORY
from support.template import function_for, integrations, of_type, statements, template

from remanence import secrets
from remanence.api.routes import ROUTERS
from remanence.settings import Settings, variable_of

# "*" as a resource only for actions that AWS does not grant on anything smaller.
ONLY_ON_EVERYTHING = {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}
AGENT = "/v1/agents/agent-1"


def test_every_function_folder_is_deployed_and_every_deployed_folder_exists() -> None:
    folders = {
        name: resource["Properties"]["CodeUri"]
        for name, resource in template()["Resources"].items()
        if resource["Type"] == "AWS::Serverless::Function"
    }

    assert folders == {f"{name.title()}Function": f"functions/{name}/" for name in FUNCTIONS}
    assert {path.name for path in (REPOSITORY / "functions").iterdir()} == set(FUNCTIONS)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_handler_is_a_file_of_its_folder(function: str) -> None:
    handler = of_type("AWS::Lambda::Function")[f"{function.title()}Function"]["Handler"]

    folder = REPOSITORY / "functions" / function
    if handler == "run.sh":
        assert os.access(folder / handler, os.X_OK)
    else:
        module, _, name = handler.partition(".")
        assert re.search(rf"^{name} = ", (folder / f"{module}.py").read_text(), re.MULTILINE)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_app_is_thin_and_reads_no_environment(function: str) -> None:
    source = (REPOSITORY / "functions" / function / "app.py").read_text()

    assert len(source.splitlines()) <= 40
    assert "environ" not in source


def test_no_permission_has_a_wildcard_action() -> None:
    actions = [action for _, statement in statements() for action in _as_list(statement["Action"])]

    assert actions
    assert [action for action in actions if "*" in action] == []


def test_no_permission_is_on_everything_but_where_aws_knows_no_resource() -> None:
    for name, statement in statements():
        for resource in _as_list(statement["Resource"]):
            is_wild = "*" in str(resource)
            assert not is_wild or set(_as_list(statement["Action"])) <= ONLY_ON_EVERYTHING, name


def test_bedrock_may_be_called_for_the_models_that_are_named_and_not_without() -> None:
    policy = of_type("AWS::IAM::ManagedPolicy")["RuntimePolicy"]
    (choice,) = [
        statement["Fn::If"]
        for statement in policy["PolicyDocument"]["Statement"]
        if "Fn::If" in statement
    ]

    condition, granted, otherwise = choice
    assert condition == "HasBedrock"
    assert granted["Resource"] == {"Ref": "BedrockArns"}
    assert otherwise == {"Ref": "AWS::NoValue"}
    pattern = template()["Parameters"]["BedrockArns"]["AllowedPattern"]
    model = "arn:aws:bedrock:eu-west-1::foundation-model/amazon.nova-lite-v1:0"
    assert re.fullmatch(pattern, model)
    assert not re.fullmatch(pattern, "arn:aws:bedrock:*::foundation-model/*")
    assert not re.fullmatch(pattern, "*")


def test_key_of_the_secrets_is_named_by_itself_because_a_grant_on_an_alias_grants_nothing() -> None:
    pattern = template()["Parameters"]["SecretsKeyArn"]["AllowedPattern"]
    key = "arn:aws:kms:eu-west-1:123456789012:key/"

    assert re.fullmatch(pattern, "")
    assert re.fullmatch(pattern, f"{key}1234abcd-12ab-34cd-56ef-1234567890ab")
    assert re.fullmatch(pattern, f"{key}mrk-1234abcd12ab34cd56ef1234567890ab")
    assert not re.fullmatch(pattern, "arn:aws:kms:eu-west-1:123456789012:alias/secrets")
    assert not re.fullmatch(pattern, f"{key}*")


def test_who_calls_models_can_open_what_tenants_keys_are_sealed_with() -> None:
    callers = [
        function
        for function in of_type("AWS::Lambda::Function").values()
        if "REMANENCE_PROVIDER_KEYS_PARAMETER" in function["Environment"]["Variables"]
    ]

    assert len(callers) == 4
    for function in callers:
        role = of_type("AWS::IAM::Role")[str(function["Role"]["Fn::GetAtt"]).partition(".")[0]]
        variables = function["Environment"]["Variables"]
        assert variables["REMANENCE_SECRETS_KEY_PARAMETER"] == {"Ref": "SealingKeyParameter"}
        assert "SealPolicy" in str(role["ManagedPolicyArns"])


def test_no_role_has_a_policy_of_aws() -> None:
    for role in of_type("AWS::IAM::Role").values():
        assert "arn:" not in str(role.get("ManagedPolicyArns"))


def test_every_function_has_a_role_and_a_log_group_of_its_own() -> None:
    functions = of_type("AWS::Lambda::Function").values()
    roles = {str(function["Role"]) for function in functions}
    groups = {str(function["LoggingConfig"]["LogGroup"]) for function in functions}

    assert len(roles) == len(groups) == len(functions)
    assert all("RetentionInDays" in group for group in of_type("AWS::Logs::LogGroup").values())


def test_every_function_runs_on_the_same_runtime_and_layers() -> None:
    for function in of_type("AWS::Lambda::Function").values():
        assert function["Runtime"] == "python3.13"
        assert function["Architectures"] == [{"Ref": "Architecture"}]
        assert function["Layers"][0]["Ref"].startswith("DepsLayer")
        assert function["Layers"][1]["Ref"].startswith("CoreLayer")
        assert function["TracingConfig"] == {"Mode": "Active"}


def test_bells_queue_keeps_order_and_gives_up_to_the_dead_letter_queue() -> None:
    queue = of_type("AWS::SQS::Queue")["StepQueue"]
    step = of_type("AWS::Lambda::Function")["StepFunction"]

    assert queue["FifoQueue"] is True
    assert queue["ContentBasedDeduplication"] is False
    assert queue["VisibilityTimeout"] >= 6 * step["Timeout"]
    assert queue["RedrivePolicy"]["deadLetterTargetArn"] == {"Fn::GetAtt": "DeadBells.Arn"}
    assert of_type("AWS::SQS::Queue")["DeadBells"]["FifoQueue"] is True


def test_step_function_takes_one_bell_at_a_time_and_may_ring_itself() -> None:
    (source,) = of_type("AWS::Lambda::EventSourceMapping").values()

    assert source["BatchSize"] == 1
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert "MaximumConcurrency" in source["ScalingConfig"]
    assert of_type("AWS::Lambda::Function")["StepFunction"]["RecursiveLoop"] == "Allow"


def test_step_function_outlasts_one_step() -> None:
    step = of_type("AWS::Lambda::Function")["StepFunction"]

    assert step["Timeout"] > Settings().step_limit_s


def test_tool_function_has_nothing_to_give_away() -> None:
    tool = of_type("AWS::Lambda::Function")["ToolFunction"]
    role = of_type("AWS::IAM::Role")["ToolRole"]
    actions = {
        action
        for inline in role["Policies"]
        for statement in inline["PolicyDocument"]["Statement"]
        for action in _as_list(statement["Action"])
    }

    assert tool["TenancyConfig"] == {"TenantIsolationMode": "PER_TENANT"}
    assert tool["Environment"]["Variables"]["REMANENCE_PG_URI_PARAMETER"] == ""
    assert not any("KEY" in name for name in tool["Environment"]["Variables"])
    assert role["ManagedPolicyArns"] == [{"Ref": "TracePolicy"}]
    assert actions == {"logs:CreateLogStream", "logs:PutLogEvents"}


def test_routes_that_run_an_agent_stream_for_up_to_fifteen_minutes() -> None:
    chat = {route: call for route, call in integrations().items() if "Chat" in str(call["uri"])}

    assert chat
    for integration in chat.values():
        assert integration["responseTransferMode"] == "STREAM"
        assert integration["timeoutInMillis"] == 900_000
        assert "response-streaming-invocations" in integration["uri"]["Fn::Sub"]
    assert of_type("AWS::Lambda::Function")["ChatFunction"]["Timeout"] == 900


@pytest.mark.parametrize(
    ("method", "path", "function"),
    [
        ("POST", f"{AGENT}/messages", "ChatFunction"),
        ("POST", f"{AGENT}/messages/stream", "ChatFunction"),
        ("GET", f"{AGENT}/messages", "ApiFunction"),
        ("GET", f"{AGENT}/messages/message-1", "ApiFunction"),
        ("POST", f"{AGENT}/messages/async", "ApiFunction"),
        ("POST", "/v1/runs/run-1/stream", "ChatFunction"),
        ("GET", "/v1/runs/run-1/messages", "ApiFunction"),
        ("GET", "/v1/runs/", "ApiFunction"),
        ("POST", "/v1/conversations/default/stream", "ChatFunction"),
        ("POST", "/v1/conversations/conv-1/messages", "ChatFunction"),
        ("GET", "/v1/conversations/conv-1/messages", "ApiFunction"),
        ("POST", "/v1/conversations/", "ApiFunction"),
        ("GET", AGENT, "ApiFunction"),
        ("GET", f"{AGENT}/core-memory/blocks/human", "ApiFunction"),
        ("POST", "/v1/agents/", "ApiFunction"),
        ("GET", "/v1/agents/count", "ApiFunction"),
        ("GET", "/v1/health/", "ApiFunction"),
        ("GET", "/", "ApiFunction"),
        ("GET", "/openapi.json", "ApiFunction"),
    ],
)
def test_request_reaches_the_function_that_serves_it(method: str, path: str, function: str) -> None:
    assert function_for(method, path) == function


def test_every_route_is_reached_through_api_gateway() -> None:
    routes = {
        (method, route.path)
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods
    }
    reached = {
        (method, path): function_for(method, re.sub(r"\{[^}]+\}", "x", path))
        for method, path in routes
    }

    assert len(reached) > 20
    assert {function_for("OPTIONS", re.sub(r"\{[^}]+\}", "x", path)) for _, path in routes} == {
        "ApiFunction"
    }, "a browser asks before it calls"
    streamed = {route for route, function in reached.items() if function == "ChatFunction"}
    assert streamed == {
        ("POST", "/v1/agents/{agent_id}/messages"),
        ("POST", "/v1/agents/{agent_id}/messages/stream"),
        ("POST", "/v1/chat/completions"),
        ("POST", "/v1/responses"),
        ("GET", "/v1/responses/{response_id}"),
        ("POST", "/v1/conversations/{conversation_id}/messages"),
        ("POST", "/v1/conversations/{conversation_id}/stream"),
        ("POST", "/v1/runs/{run_id}/stream"),
    }


def test_variables_are_settings_or_belong_to_a_library() -> None:
    known = {variable_of(field.name) for field in fields(Settings)}
    known |= {*secrets.SECRETS, secrets.PROVIDER_KEYS}
    variables = {
        name
        for function in of_type("AWS::Lambda::Function").values()
        for name in function["Environment"]["Variables"]
    }

    ours = {name for name in variables if name.startswith("REMANENCE_")}
    assert ours <= known
    assert all(name.startswith(("POWERTOOLS_", "AWS_L")) for name in variables - ours)


def test_no_secret_is_in_the_template() -> None:
    for parameter in template()["Parameters"].values():
        assert parameter["Description"]
        assert not parameter.get("NoEcho"), "secrets are named, never passed"
    assert not re.search(r"(?i)resolve:(ssm-secure|secretsmanager)|sk-", _written())


def test_outputs_say_where_things_are_and_name_no_secret() -> None:
    secrets_of_the_template = [name for name in template()["Parameters"] if "Parameter" in name]

    assert len(secrets_of_the_template) == 5
    assert not [name for name in secrets_of_the_template if name in str(template()["Outputs"])]


def _written() -> str:
    return (REPOSITORY / "template.yaml").read_text()


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
