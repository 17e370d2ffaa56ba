"""What the files for containers promise, compared with the server and the image."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from typing import Any

import yaml
from support.bundle import REPOSITORY

from remanence.api.gate import _OPEN_PATHS
from remanence.llm.vendors import VENDORS
from remanence.local.server import _GRACE_S
from remanence.settings import Settings, variable_of

INFRA = REPOSITORY / "infra"


def compose() -> dict[str, Any]:
    services: dict[str, Any] = yaml.safe_load((INFRA / "compose.yaml").read_text())["services"]
    return services


def test_compose_sets_variables_that_the_server_reads() -> None:
    known = {variable_of(spec.name) for spec in fields(Settings)}
    known |= {vendor.key_variable for vendor in VENDORS}

    assert compose()["server"]["environment"].keys() <= known


def test_every_place_waits_longer_than_the_server_needs_to_end() -> None:
    railway = json.loads((INFRA / "railway.json").read_text())

    assert int(compose()["server"]["stop_grace_period"].removesuffix("s")) > _GRACE_S
    assert railway["deploy"]["drainingSeconds"] > _GRACE_S
    page = (INFRA / "CONTAINERS.md").read_text()
    waits = re.findall(r"(?:kill_timeout = |GracePeriodSeconds: |TimeoutStopSec=)(\d+)", page)
    assert waits
    assert all(int(wait) > _GRACE_S for wait in waits)


def test_probes_are_open_paths_of_the_server() -> None:
    railway = json.loads((INFRA / "railway.json").read_text())
    dockerfile = (REPOSITORY / "Dockerfile").read_text()
    page = (INFRA / "CONTAINERS.md").read_text()
    probes = set(re.findall(r"/v1/(?:health|ready)/", page + dockerfile))

    assert {railway["deploy"]["healthcheckPath"]} | probes <= set(_OPEN_PATHS)


def test_image_runs_as_somebody_without_rights_and_is_probed() -> None:
    dockerfile = (REPOSITORY / "Dockerfile").read_text()

    user = dockerfile.index("\nUSER remanence\n")
    assert user < dockerfile.index("\nHEALTHCHECK") < dockerfile.index("\nCMD ")
    assert 'CMD ["remanence", "serve"]' in dockerfile, "no shell that would swallow SIGTERM"
