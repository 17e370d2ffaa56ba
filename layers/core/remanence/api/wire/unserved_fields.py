"""What a caller may ask of a run that is not served: refused by name, never dropped.

Path: wire/inputs.py: SayRequest.to_order -> refuse_unserved, before anything is stored.
"""

from typing import Any

from pydantic import BaseModel, Field

from remanence.errors import NotSupported

_NOT_SERVED = {
    "client_skills": "skills are not served: describe them in override_system or in a message",
    "return_logprobs": "log probabilities are not kept",
    "return_token_ids": "token ids are not kept",
}


class UnservedOfRuns(BaseModel):
    """Fields of the protocol that a run here cannot do."""

    client_skills: list[dict[str, Any]] | None = Field(
        default=None, description="Not served: refused unless empty; say it in override_system."
    )
    return_logprobs: bool | None = Field(
        default=None, description="Not served: refused if true, as none are kept."
    )
    return_token_ids: bool | None = Field(
        default=None, description="Not served: refused if true, as none are kept."
    )
    top_logprobs: int | None = Field(
        default=None, description="Without effect: it belongs to return_logprobs."
    )
    enable_thinking: str | bool | None = Field(
        default=None, description="Without effect: model_settings say whether the model thinks."
    )

    def refuse_unserved(self) -> None:
        """Refuse what would be missing from the answer.

        Raises:
            NotSupported: which field, and what to do instead.
        """
        for name, reason in _NOT_SERVED.items():
            if getattr(self, name):
                raise NotSupported(f"{name}: {reason}")
