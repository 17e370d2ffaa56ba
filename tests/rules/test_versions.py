"""What is served is a published version, and a deployment moves it when anything has changed."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from support.bundle import FUNCTIONS
from support.template import ALIAS, integrations, of_type, template, translate, translated

from remanence.aws.stack import release_of

if TYPE_CHECKING:
    from collections.abc import Iterator

# What serves. Migrate has to be new when a deployment calls it; Tool may have neither snapshots nor
# environments that are kept ready, because of its tenant isolation.
PUBLISHED = ("ApiFunction", "ChatFunction", "StepFunction", "CompactFunction")
FROM_SNAPSHOTS = {"ApiFunction", "ChatFunction", "StepFunction"}
KEPT_READY = {"ApiFunction", "ChatFunction"}
# Of the function and not of a version: they change without one.
OF_THE_FUNCTION = {"ReservedConcurrentExecutions", "RecursiveLoop", "Role", "LoggingConfig"}


def versions(resources: dict[str, Any]) -> dict[str, str]:
    """The logical id of each function's version: when it changes, another is published."""
    return {
        resource["Properties"]["FunctionName"]["Ref"]: name
        for name, resource in resources.items()
        if resource["Type"] == "AWS::Lambda::Version"
    }


def names_in(value: Any) -> Iterator[str]:
    """What a value of the template refers to, by any of the intrinsic functions."""
    match value:
        case {"Ref": str(name)} | {"Fn::GetAtt": [str(name), *_]}:
            yield name
        case {"Fn::GetAtt": str(path)}:
            yield path.partition(".")[0]
        case {"Fn::Sub": [str(text), dict(variables)]}:
            yield from set(re.findall(r"\$\{(\w+)[.}]", text)) - variables.keys()
            yield from names_in(list(variables.values()))
        case {"Fn::Sub": str(text)}:
            yield from re.findall(r"\$\{(\w+)[.}]", text)
        case {"Fn::If": [str(condition), *choices]}:
            yield from names_in(template()["Conditions"][condition])
            yield from names_in(choices)
        case dict() | list():
            for part in value.values() if isinstance(value, dict) else value:
                yield from names_in(part)
        case _:
            return


def test_everything_that_calls_a_function_calls_its_published_version() -> None:
    aliases = {f"{function}Alias{ALIAS}" for function in PUBLISHED}
    (bell,) = of_type("AWS::Lambda::EventSourceMapping").values()
    (sweep,) = of_type("AWS::Events::Rule").values()

    assert of_type("AWS::Lambda::Alias").keys() == aliases
    assert bell["FunctionName"] == {"Ref": f"StepFunctionAlias{ALIAS}"}
    assert sweep["Targets"][0]["Arn"] == {"Ref": f"CompactFunctionAlias{ALIAS}"}
    for route, integration in integrations().items():
        assert set(names_in(integration["uri"])) <= aliases, route
    for permission in of_type("AWS::Lambda::Permission").values():
        assert set(names_in(permission["FunctionName"])) <= aliases


def test_new_code_of_a_function_publishes_it_alone() -> None:
    before, after = versions(translated()), versions(translate(StepFunction="other"))

    assert before.keys() == after.keys() == set(PUBLISHED)
    assert {name for name in PUBLISHED if before[name] != after[name]} == {"StepFunction"}


@pytest.mark.parametrize("layer", ["CoreLayer", "DepsLayer"])
def test_new_layer_publishes_every_function(layer: str) -> None:
    before, after = versions(translated()), versions(translate(**{layer: "other"}))

    assert not set(before.values()) & set(after.values())


def test_another_release_is_another_version_of_a_changed_function() -> None:
    for name, function in of_type("AWS::Lambda::Function").items():
        if name not in PUBLISHED:
            continue
        # CloudFormation replaces a version whose description changes ...
        version = translated()[versions(translated())[name]]
        assert version["Properties"]["Description"] == {"Fn::GetAtt": "Migration.Release"}
        # ... and Lambda publishes only what has changed.
        assert "Migration" in set(names_in(function["Description"])), name
        assert version["DeletionPolicy"] == "Delete", "each snapshot that is kept is billed"


def test_every_setting_of_a_published_function_is_part_of_its_release() -> None:
    told = set(names_in(template()["Resources"]["Migration"]["Properties"]["Settings"]))
    parameters = template()["Parameters"].keys()

    for name in PUBLISHED:
        properties = of_type("AWS::Lambda::Function")[name]
        of_a_version = {key: properties[key] for key in properties.keys() - OF_THE_FUNCTION}
        assert set(names_in(of_a_version)) & parameters <= told, name
    assert told <= parameters


def test_release_changes_with_every_property_and_only_with_them() -> None:
    properties = {
        "ServiceToken": "arn:migrate",
        "ServiceTimeout": "330",
        "Code": "arn:core:1",
        "Packages": "arn:deps:1",
        "Settings": ["", "arm64", "512"],
    }
    changed = [
        properties | {"Code": "arn:core:2"},
        properties | {"Packages": "arn:deps:2"},
        properties | {"Settings": ["", "arm64", "1024"]},
        properties | {"Settings": ["again", "arm64", "512"]},
    ]

    releases = {release_of(each) for each in [properties, *changed]}

    assert len(releases) == 1 + len(changed)
    assert release_of(properties | {"ServiceTimeout": "600"}) == release_of(properties)
    assert re.fullmatch("[0-9a-f]{16}", release_of(properties))


def test_failed_migration_leaves_every_alias_where_it_is() -> None:
    resources = translated()
    migration = template()["Resources"]["Migration"]["Properties"]
    assert set(names_in([migration["Code"], migration["Packages"]])) == {"CoreLayer", "DepsLayer"}

    # What an alias serves is made after the version, that after the function, that after Migration.
    for name in PUBLISHED:
        alias = resources[f"{name}Alias{ALIAS}"]["Properties"]
        assert set(names_in(alias["FunctionVersion"])) == {versions(resources)[name]}
        assert "Migration" in set(names_in(resources[name]["Properties"]))
    assert template()["Resources"]["ToolFunction"]["DependsOn"] == ["Migration"]
    assert {f"{name.title()}Function" for name in FUNCTIONS} - set(PUBLISHED) == {
        *("ToolFunction", "MigrateFunction")
    }


def test_snapstart_is_a_parameter_and_off() -> None:
    parameter = template()["Parameters"]["SnapStart"]
    starts = {
        name: function["SnapStart"]["ApplyOn"]
        for name, function in of_type("AWS::Lambda::Function").items()
        if "SnapStart" in function
    }

    assert parameter["Default"] == "off"
    assert template()["Conditions"]["HasSnapStart"] == {"Fn::Equals": [{"Ref": "SnapStart"}, "on"]}
    assert starts.keys() == FROM_SNAPSHOTS
    for start in starts.values():
        assert start == {"Fn::If": ["HasSnapStart", "PublishedVersions", "None"]}


def test_provisioned_concurrency_is_a_parameter_and_none() -> None:
    kept = {
        name.removesuffix(f"Alias{ALIAS}"): alias["ProvisionedConcurrencyConfig"]["Fn::If"]
        for name, alias in of_type("AWS::Lambda::Alias").items()
        if "ProvisionedConcurrencyConfig" in alias
    }

    assert template()["Parameters"]["ProvisionedConcurrency"]["Default"] == 0
    assert kept.keys() == KEPT_READY
    for condition, chosen, otherwise in kept.values():
        assert condition == "HasProvisioned"
        assert chosen == {"ProvisionedConcurrentExecutions": {"Ref": "ProvisionedConcurrency"}}
        assert otherwise == {"Ref": "AWS::NoValue"}


def test_snapstart_and_provisioned_concurrency_are_refused_together() -> None:
    rule = template()["Rules"]["StartsInOneWay"]

    assert rule["RuleCondition"] == {"Fn::Equals": [{"Ref": "SnapStart"}, "on"]}
    (assertion,) = rule["Assertions"]
    assert assertion["Assert"] == {"Fn::Equals": [{"Ref": "ProvisionedConcurrency"}, 0]}
    assert "not both" in json.dumps(assertion["AssertDescription"])
