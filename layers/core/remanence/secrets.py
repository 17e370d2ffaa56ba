"""Secrets that a deployment names instead of holding them: SSM SecureStrings, read at start.

Beside settings, used by `wiring` only. One signed request for all of them. It is signed here
rather than sent by boto3, whose import and first client cost nearly as much CPU as FastAPI does
(0.17 and 0.23 s, tests/perf/cold_import.py), for functions that call no other AWS service.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from remanence.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

# Variable that names a parameter -> variable that the parameter's value stands for.
SECRETS = {
    "REMANENCE_PG_URI_PARAMETER": "REMANENCE_PG_URI",
    "REMANENCE_API_KEY_PARAMETER": "REMANENCE_API_KEY",
    "REMANENCE_SECRETS_KEY_PARAMETER": "REMANENCE_SECRETS_KEY",
}
# Variable that names a parameter with any number of `NAME=value` lines: keys of providers.
PROVIDER_KEYS = "REMANENCE_PROVIDER_KEYS_PARAMETER"

TIMEOUT_S = 5.0
ATTEMPTS = 3
FIRST_PAUSE_S = 0.2

# Where credentials are fetched from without TLS, as the AWS SDKs allow it.
_THIS_MACHINE = {"localhost", "127.0.0.1", "::1", "169.254.170.2"}
_TARGET = "AmazonSSM.GetParameters"
_CONTENT_TYPE = "application/x-amz-json-1.1"


class Credentials(NamedTuple):
    """What Lambda gives a function to sign with."""

    key_id: str
    secret: str
    token: str


def resolve_environment(env: Mapping[str, str]) -> dict[str, str]:
    """`env` with the secrets that its `..._PARAMETER` variables name.

    A variable that is set already stays as it is, and a parameter nothing is needed from is not
    read: without `..._PARAMETER` variables no request is made.

    Raises:
        SettingsError: a parameter does not exist, may not be read, or SSM does not answer. The
            message names parameters, never values.
    """
    wanted = {
        variable: env[variable]
        for variable in (*SECRETS, PROVIDER_KEYS)
        if env.get(variable) and not env.get(SECRETS.get(variable, ""))
    }
    if not wanted:
        return dict(env)
    values = _fetch(sorted(set(wanted.values())), env)
    missing = [
        f"{variable} names {name!r}, which SSM does not have in this account and region"
        for variable, name in wanted.items()
        if name not in values
    ]
    if missing:
        raise SettingsError(missing)
    found: dict[str, str] = {}
    for variable, name in wanted.items():
        if variable == PROVIDER_KEYS:
            found |= _read_lines(name, values[name])
        else:
            found[SECRETS[variable]] = values[name].strip()
    return found | {name: value for name, value in env.items() if value}


def _read_lines(name: str, text: str) -> dict[str, str]:
    keys: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        key, is_pair, value = line.partition("=")
        if not is_pair:
            problem = f"line {number} of the parameter {name!r} is not NAME=value (it is not shown)"
            raise SettingsError([problem])
        keys[key.strip()] = value.strip().strip("\"'")
    return keys


def _fetch(names: list[str], env: Mapping[str, str]) -> dict[str, str]:
    """The values of those parameters that exist, by name, in one request."""
    body = json.dumps({"Names": names, "WithDecryption": True}).encode()
    region = env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION", "")
    url = env.get("AWS_ENDPOINT_URL_SSM") or env.get("AWS_ENDPOINT_URL") or _endpoint(region)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            credentials = _credentials(env)
            headers = sign(url, body, region=region, credentials=credentials, at=time.gmtime())
            answer = json.loads(_post(url, body, headers))
        except (HTTPError, URLError, TimeoutError, ConnectionError) as exc:
            said, is_passing = _failure(exc)
            if attempt == ATTEMPTS or not is_passing:
                raise SettingsError([f"SSM gives no {', '.join(names)}: {said}"]) from exc
            time.sleep(FIRST_PAUSE_S * 2 ** (attempt - 1))
        else:
            return {item["Name"]: item["Value"] for item in answer["Parameters"]}
    raise AssertionError("the last attempt returns or raises")


def _credentials(env: Mapping[str, str]) -> Credentials:
    """The function's own.

    A snapshot outlives those in the environment, so there Lambda names a place on this machine
    instead, which has the ones of now.
    """
    place = env.get("AWS_CONTAINER_CREDENTIALS_FULL_URI", "")
    if env.get("AWS_ACCESS_KEY_ID") or urlsplit(place).hostname not in _THIS_MACHINE:
        return Credentials(
            env.get("AWS_ACCESS_KEY_ID", ""),
            env.get("AWS_SECRET_ACCESS_KEY", ""),
            env.get("AWS_SESSION_TOKEN", ""),
        )
    headers = {"Authorization": env.get("AWS_CONTAINER_AUTHORIZATION_TOKEN", "")}
    with urlopen(Request(place, headers=headers), timeout=TIMEOUT_S) as response:  # noqa: S310  ours
        found = json.loads(response.read())
    return Credentials(found["AccessKeyId"], found["SecretAccessKey"], found["Token"])


def _endpoint(region: str) -> str:
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"https://ssm.{region}.{suffix}/"


def _post(url: str, body: bytes, headers: dict[str, str]) -> bytes:
    request = Request(url, data=body, headers=headers, method="POST")  # noqa: S310  our endpoint
    with urlopen(request, timeout=TIMEOUT_S) as response:  # noqa: S310
        content: bytes = response.read()
    return content


def _failure(exc: Exception) -> tuple[str, bool]:
    """The reason, AWS's (such as AccessDeniedException) or the network's; whether it may pass."""
    if not isinstance(exc, HTTPError):
        return str(exc), True
    answer: dict[str, str] = {}
    with suppress(ValueError):
        answer = json.loads(exc.read())
    kind = answer.get("__type", "").rpartition("#")[2]
    text = answer.get("message") or answer.get("Message") or ""
    return f"HTTP {exc.code} {kind} {text}".rstrip(), exc.code >= 500 or "Throttl" in kind


def sign(
    url: str, body: bytes, *, region: str, credentials: Credentials, at: time.struct_time
) -> dict[str, str]:
    """Headers of a POST to SSM, signed.

    Source: AWS Signature Version 4; `tests/unit` compares it with botocore's.
    """
    stamp = time.strftime("%Y%m%dT%H%M%SZ", at)
    headers = {
        "Content-Type": _CONTENT_TYPE,
        "Host": urlsplit(url).netloc,
        "X-Amz-Date": stamp,
        "X-Amz-Target": _TARGET,
    }
    if credentials.token:
        headers["X-Amz-Security-Token"] = credentials.token
    names, canonical = _canonical(urlsplit(url).path or "/", headers, body)
    scope = f"{stamp[:8]}/{region}/ssm/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    key = f"AWS4{credentials.secret}".encode()
    for part in (*scope.split("/"), f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}"):
        key = hmac.digest(key, part.encode(), "sha256")
    headers["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={credentials.key_id}/{scope}, "
        f"SignedHeaders={names}, Signature={key.hex()}"
    )
    return headers


def _canonical(path: str, headers: dict[str, str], body: bytes) -> tuple[str, str]:
    """The names of the signed headers, and the request in the form that is signed."""
    lines = sorted((name.lower(), value) for name, value in headers.items())
    names = ";".join(name for name, _ in lines)
    parts = ["POST", path, "", *(f"{name}:{value}" for name, value in lines), "", names]
    return names, "\n".join([*parts, hashlib.sha256(body).hexdigest()])
