"""Secrets of an agent: sealed as soon as they are read, and never shown again.

Path: routes/agents.py, routes/agent_files.py -> sealed -> db/catalog_agents.
"""

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, StringConstraints, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from remanence.api.deps import Call
from remanence.errors import InvalidRequest

MAX_VALUE_CHARS = 32_768
MAX_SECRETS = 100
# What tools are told by the server, so that a secret cannot say something else.
_RESERVED = ("LETTA_AGENT_ID", "LETTA_TOOL_ID", "REMANENCE_TOOL_CALL_ID")


def _free_name(name: str) -> str:
    if name in _RESERVED:
        raise PydanticCustomError("reserved", "is set by the server: choose another name")
    return name


def _storable(value: str) -> str:
    if "\0" in value:
        raise PydanticCustomError("null_byte", "no environment can hold a null byte")
    return value


def _few(secrets: dict[str, str]) -> dict[str, str]:
    if len(secrets) > MAX_SECRETS:
        raise PydanticCustomError(
            "too_many", "an agent has at most {most} secrets", {"most": MAX_SECRETS}
        )
    return secrets


_Name = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=200),
    AfterValidator(_free_name),
]
_Value = Annotated[str, StringConstraints(max_length=MAX_VALUE_CHARS), AfterValidator(_storable)]
Secrets = Annotated[dict[_Name, _Value], AfterValidator(_few)]
_SECRETS: TypeAdapter[dict[str, str]] = TypeAdapter(Secrets)


def secrets_of_text(text: str | None, *, field: str) -> dict[str, str]:
    """Secrets given as JSON in a form.

    Raises:
        InvalidRequest: it is no object of texts by names of variables; no value is shown.
    """
    if text is None:
        return {}
    try:
        return _SECRETS.validate_json(text)
    except ValidationError as exc:
        # loc names the variable; the input, which holds the value, is left out.
        reasons = [
            f"{'.'.join(map(str, problem['loc'])) or 'the text'}: {problem['msg']}"
            for problem in exc.errors(include_input=False, include_url=False, include_context=False)
        ]
        raise InvalidRequest(f"{field}: {'; '.join(reasons[:5])}", field=field) from None


def sealed(secrets: Mapping[str, str], agent_id: str, call: Call) -> dict[str, str]:
    """The seals of an agent's secrets, by name.

    Raises:
        NotSupported: this deployment has no key to seal them with; nothing was stored.
    """
    return {
        name: call.deps.sealer.seal(value, call.org_id, agent_id, name)
        for name, value in secrets.items()
    }
