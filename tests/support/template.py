"""template.yaml as people write it, and as CloudFormation gets it after SAM's translation."""

from __future__ import annotations

import copy
import os
import re
from functools import cache
from typing import TYPE_CHECKING, Any

import yaml
from support.bundle import REPOSITORY, CloudFormation

if TYPE_CHECKING:
    from collections.abc import Iterator

Resource = dict[str, Any]
# What requests, doorbells and the schedule go through to a published version.
ALIAS = "live"


@cache
def template() -> dict[str, Any]:
    """The template as written."""
    source = (REPOSITORY / "template.yaml").read_text()
    written: dict[str, Any] = yaml.load(source, Loader=CloudFormation)  # noqa: S506  a SafeLoader
    return written


@cache
def translated() -> dict[str, Resource]:
    """Resources by logical id, as SAM hands them to CloudFormation."""
    return translate()


def translate(**keys: str) -> dict[str, Resource]:
    """The same with other code: `keys` are where that of a function or a layer was uploaded to."""
    os.environ.setdefault("AWS_DEFAULT_REGION", "eu-central-1")  # samtranslator asks boto3 for it
    from samtranslator.parser.parser import Parser  # noqa: PLC0415  half a second, only here
    from samtranslator.translator.translator import Translator  # noqa: PLC0415

    packaged = copy.deepcopy(template())
    for logical_id, resource in packaged["Resources"].items():
        for name in {"CodeUri", "ContentUri"} & resource.get("Properties", {}).keys():
            resource["Properties"][name] = f"s3://bucket/{keys.get(logical_id, 'key')}"
    resources: dict[str, Resource] = Translator({}, Parser()).translate(packaged, {})["Resources"]
    return resources


def of_type(kind: str) -> dict[str, Resource]:
    """Properties of the translated resources of a type, by logical id."""
    return {
        name: resource["Properties"]
        for name, resource in translated().items()
        if resource["Type"] == kind
    }


def statements() -> Iterator[tuple[str, dict[str, Any]]]:
    """Each permission that is granted, with the logical id of what grants it."""
    for name, policy in of_type("AWS::IAM::ManagedPolicy").items():
        for statement in policy["PolicyDocument"]["Statement"]:
            _, granted, _ = statement.get("Fn::If", ("", statement, None))
            yield name, granted
    for name, role in of_type("AWS::IAM::Role").items():
        for inline in role["Policies"]:
            for statement in inline["PolicyDocument"]["Statement"]:
                yield name, statement


def integrations() -> dict[tuple[str, str], dict[str, Any]]:
    """What API Gateway calls, by path and method (`ANY` for all others)."""
    (api,) = of_type("AWS::ApiGateway::RestApi").values()
    return {
        (path, "ANY" if method == "x-amazon-apigateway-any-method" else method.upper()): operation[
            "x-amazon-apigateway-integration"
        ]
        for path, methods in api["Body"]["paths"].items()
        for method, operation in methods.items()
    }


def function_for(method: str, path: str) -> str:
    """The logical id of the function that API Gateway calls for a request.

    Walks the tree of resources as a REST API does: at each level the literal part wins over the
    variable, and the variable over the greedy one; what was walked is never walked back.
    """
    routes = integrations()
    resource = _resource(path.strip("/").split("/"), sorted({path for path, _ in routes}))
    integration = routes.get((resource, method)) or routes.get((resource, "ANY"))
    assert integration, f"API Gateway would answer {method} {path} with 403"
    called = re.search(rf"\$\{{(\w+)Alias{ALIAS}\}}", integration["uri"]["Fn::Sub"])
    assert called is not None
    return called[1]


def _resource(parts: list[str], paths: list[str]) -> str:
    known = [path.strip("/").split("/") for path in paths if path != "/"]
    walked: list[str] = []
    for part in parts:
        if part == "":
            break
        below = {
            path[len(walked)]
            for path in known
            if path[: len(walked)] == walked and len(path) > len(walked)
        }
        variable = next((name for name in below if name[0] == "{" and "+" not in name), None)
        greedy = next((name for name in below if name.endswith("+}")), None)
        chosen = part if part in below else variable or greedy
        assert chosen, f"API Gateway has no resource for {'/'.join(parts)}"
        walked.append(chosen)
        if chosen == greedy:
            break
    return "/" + "/".join(walked)
