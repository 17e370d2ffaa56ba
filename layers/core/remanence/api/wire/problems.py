"""What an answer that is not a success holds, for the OpenAPI document; api/errors.py makes them.

What every operation may answer is declared once, for the application; what only some do (they ask a
provider, or read what may be gone) stands at those.
"""

from typing import Any, Literal

from pydantic import BaseModel, Field


class PendingApprovalDetail(BaseModel):
    """Which request has to be answered before anything else can be said."""

    code: Literal["pending_approval"] = Field(description="Always pending_approval.")
    message: str = Field(description="What to do, for people.")
    pending_request_id: str = Field(description="The id of the message that waits for an answer.")


class Problem(BaseModel):
    """Why a request was refused or failed."""

    detail: str | PendingApprovalDetail = Field(
        description="What is wrong, with the field's name, for people; an object when tool calls "
        "wait for an approval."
    )
    run_id: str | None = Field(
        default=None, description="The run that is in the way (409) or that goes on (504)."
    )


class ProviderProblemDetail(BaseModel):
    """What a model's provider did not do."""

    type: str = Field(description="A stable word: llm_rate_limit, llm_timeout ...")
    message: str = Field(description="The same for people.")
    detail: str = Field(description="The message again, as the protocol has it.")


class ProviderProblem(BaseModel):
    """A failure of a model's provider; the run is stored, so do not send the input again."""

    error: ProviderProblemDetail = Field(description="What happened.")


class OpenAiErrorDetail(BaseModel):
    """An error as clients made for OpenAI read it."""

    message: str = Field(description="What is wrong, for people.")
    type: str = Field(description="A stable word: invalid_request, agent_busy ...")
    param: str | None = Field(description="Always null: the message names the field.")
    code: str | None = Field(description="The same as type.")


class OpenAiProblem(BaseModel):
    """Why a request of a client made for OpenAI was refused or failed."""

    error: OpenAiErrorDetail = Field(description="What happened.")


_MEANINGS = {
    401: "The API key is missing or wrong.",
    404: "There is no such thing, or not in your organization.",
    409: "It is busy, exists already, or waits for an approval; nothing was changed.",
    410: "Its messages were deleted.",
    413: "The body, or a value in it, is larger than the limit.",
    422: "The request cannot be served as it is; the text names the field.",
    424: "The model's provider refuses the key that the server has.",
    429: "The model's provider has had enough requests for now.",
    500: "A fault of the server, or a schema that does not fit.",
    501: "This part of the protocol is not served.",
    502: "The model's provider failed.",
    503: "The database or the provider is not available now.",
    504: "Out of time: the run goes on, see run_id.",
}
Answers = dict[int | str, dict[str, Any]]


def _answers(model: Any, *statuses: int) -> Answers:
    return {status: {"model": model, "description": _MEANINGS[status]} for status in statuses}


_EVERYWHERE = (401, 404, 409, 413, 422, 500, 503)
_PROVIDERS = (424, 429, 502, 503, 504)

# Of every operation.
PROBLEMS = _answers(Problem, *_EVERYWHERE)
# Of those that ask a model's provider and wait for it.
PROVIDER_PROBLEMS = _answers(Problem | ProviderProblem, *_PROVIDERS)
# Of those that show what may have been deleted, and of those that are served in part.
GONE = _answers(Problem, 410)
UNSERVED = _answers(Problem, 501)
# Of the routes for clients made for OpenAI.
OPENAI_PROBLEMS = _answers(OpenAiProblem, *_EVERYWHERE, *_PROVIDERS, 410, 501)
# The schema is of one event: a stream has many.
EVENT_STREAM: dict[str, Any] = {
    "text/event-stream": {
        "schema": {
            "type": "object",
            "required": ["data"],
            "properties": {
                "event": {"type": "string", "description": "Its kind, where there are several."},
                "data": {"type": "string", "description": "A JSON object; [DONE] in the last."},
            },
        }
    }
}
# For `responses=` of a route that answers with server-sent events.
STREAMED: Answers = {
    200: {"content": EVENT_STREAM, "description": "Server-sent events, [DONE] as the last."},
    **PROVIDER_PROBLEMS,
    **GONE,
    **UNSERVED,
}
