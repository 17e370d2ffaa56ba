"""The artefact that would be deployed: built by SAM, then run as Lambda would run it.

`sam build` needs the runtime's own Python (3.13) and, for the wheels, a package index or a pip
cache that holds them. Where one is missing, `BundleUnavailable` says which.
"""

from __future__ import annotations

import io
import os
import platform
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from remanence.local.locks import locked

REPOSITORY = Path(__file__).parents[2]
ARCHITECTURES = ("arm64", "x86_64")
ARCHITECTURE = "arm64" if platform.machine() in {"aarch64", "arm64"} else "x86_64"
# How long one worker waits for what another one builds.
WAIT_S = 900
FUNCTIONS = ("api", "chat", "step", "compact", "tool", "migrate")


class BundleUnavailable(Exception):
    """The artefact cannot be built here; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A build directory of `sam build`, and the Python that runs it."""

    root: Path
    python: Path
    # Where awslambdaric is: part of Lambda's runtime, so never of the artefact.
    runtime: Path

    @property
    def layers(self) -> list[Path]:
        """What Lambda mounts as /opt/python, in its order."""
        return [self.root / layer / "python" for layer in ("DepsLayer", "CoreLayer")]

    def code(self, function: str) -> Path:
        """The folder Lambda mounts as the function's task root."""
        return self.root / f"{function.title()}Function"

    def environment(self, function: str) -> dict[str, str]:
        """What the function's process gets: the built template's variables, and Lambda's own.

        Variables with references (names of parameters, the queue) are the test's to set.
        """
        template = yaml.load((self.root / "template.yaml").read_text(), Loader=CloudFormation)  # noqa: S506  a SafeLoader
        properties = template["Resources"][f"{function.title()}Function"]["Properties"]
        everywhere = template["Globals"]["Function"]["Environment"]["Variables"]
        variables = everywhere | properties["Environment"]["Variables"]
        path = [str(self.code(function)), *map(str, self.layers)]
        return {name: value for name, value in variables.items() if isinstance(value, str)} | {
            "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
            "AWS_LAMBDA_FUNCTION_NAME": f"remanence-{function}",
            "AWS_LAMBDA_FUNCTION_VERSION": "1",
            "LAMBDA_TASK_ROOT": str(self.code(function)),
            "PATH": f"{self.python.parent}:/usr/bin:/bin",
            "PYTHONNOUSERSITE": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": ":".join(path),
        }


class CloudFormation(yaml.SafeLoader):
    """Reads templates; short forms such as !Ref become `{"Ref": ...}` and never plain strings."""


def _short_form(loader: yaml.SafeLoader, tag: str, node: yaml.Node) -> dict[str, Any]:
    name = tag if tag in {"Ref", "Condition"} else f"Fn::{tag}"
    if isinstance(node, yaml.ScalarNode):
        return {name: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    assert isinstance(node, yaml.MappingNode)
    return {name: loader.construct_mapping(node, deep=True)}


CloudFormation.add_multi_constructor("!", _short_form)


def size_mb(folder: Path) -> float:
    """Bytes of all its files, in millions: what AWS counts as unzipped size."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def zipped_mb(folder: Path) -> float:
    """What its files are in a deployment package, in millions of bytes."""
    with io.BytesIO() as target:
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(folder.rglob("*")):
                archive.write(path, path.relative_to(folder))
        return len(target.getvalue()) / 1e6


def find_bundle(scratch: Path) -> Bundle:
    """The build that REMANENCE_BUNDLE names, or one in `scratch`, made when it is not there.

    Raises:
        BundleUnavailable: no Python 3.13, no sam, or the build failed (mostly: no index).
    """
    python = find_python313()
    if python is None:
        raise BundleUnavailable("needs Python 3.13, the runtime's own, on PATH or from pyenv or uv")
    named = os.environ.get("REMANENCE_BUNDLE")
    done = scratch / "done"
    with locked(scratch / "lock", wait_s=WAIT_S):
        root = Path(named).resolve() if named else scratch / "build"
        if not done.exists():
            if not named:
                build(root, python)
            _install_runtime(scratch / "runtime", python)
            done.touch()
    return Bundle(root, python, scratch / "runtime")


def find_python313() -> Path | None:
    """A Python 3.13 that runs (a shim of pyenv may be there and not)."""
    home = Path.home()
    pyenv = Path(os.environ.get("PYENV_ROOT", home / ".pyenv"))
    found = [shutil.which("python3.13")]
    found += [str(path) for path in sorted(pyenv.glob("versions/3.13.*/bin/python3.13"))]
    found += [
        str(path)
        for path in sorted(home.glob(".local/share/uv/python/cpython-3.13.*/bin/python3.13"))
    ]
    for candidate in filter(None, found):
        command = [candidate, "-c", "import sys; print(sys.executable)"]
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
        if answer.returncode == 0:
            return Path(answer.stdout.strip())
    return None


def build(
    target: Path, python: Path, architecture: str = ARCHITECTURE, *, checkout: Path = REPOSITORY
) -> Path:
    """Run `sam build` of a checkout into `target`, which it makes; takes about 10 s.

    Raises:
        BundleUnavailable: there is no sam, or it fails; with the end of what it said.
    """
    sam = shutil.which("sam", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
    if sam is None:
        raise BundleUnavailable("needs the SAM CLI (in the dev dependencies)")
    environment = os.environ | {
        "ARCHITECTURE": architecture,
        "AWS_DEFAULT_REGION": "eu-central-1",
        "PATH": f"{python.parent}:{os.environ.get('PATH', '')}",
        "PIP_RETRIES": "1",
        "SAM_CLI_TELEMETRY": "0",
    }
    command = [sam, "build", "--build-dir", str(target)]
    command += ["--parameter-overrides", f"Architecture={architecture}"]
    done = subprocess.run(
        command, cwd=checkout, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BundleUnavailable(f"sam build failed: {_last_words(done.stdout + done.stderr)}")
    return target


def _last_words(output: str) -> str:
    lines = [line for line in output.splitlines() if line.strip() and "WARNING" not in line]
    return " ".join(lines[-3:])[-400:]


def _install_runtime(target: Path, python: Path) -> None:
    """Fill a folder with the runtime interface client of the version that is locked."""
    package = f"awslambdaric=={version('awslambdaric')}"
    command = [str(python), "-m", "pip", "install", "--quiet", "--retries", "1"]
    command += ["--disable-pip-version-check", "--only-binary=:all:", "--target", str(target)]
    done = subprocess.run([*command, package], capture_output=True, text=True, check=False)
    if done.returncode:
        raise BundleUnavailable(f"{package} cannot be installed: {_last_words(done.stderr)}")
