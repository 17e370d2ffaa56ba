"""Answers to tool calls that wait: approvals, and what tools returned that the caller ran.

Path: routes -> wire/inputs.py -> here -> parts of one message of role approval.
Which calls wait is the store's to say; here an answer is only read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, Field, Tag

from remanence.api.wire.contents import Content, by_type, content_parts
from remanence.core.approvals import waiting_in
from remanence.core.exchange import Approval, Text, ToolCall, ToolReturn
from remanence.core.types import Message
from remanence.errors import InvalidRequest, NotSupported


@dataclass(frozen=True, slots=True, kw_only=True)
class Requests:
    """The approval requests that an answer may be to.

    Args:
        pending: the one that waits now, if one does.
        named: the one whose id, or whose calls, the answer names, whether it still waits or not.
        callers_call_ids: calls of tools that the caller runs, of both.
    """

    pending: Message | None = None
    named: Message | None = None
    callers_call_ids: frozenset[str] = frozenset()


class ApprovalAnswer(BaseModel):
    """A person's answer to one call."""

    type: Literal["approval"] = "approval"
    tool_call_id: str = Field(min_length=1)
    approve: bool
    reason: str | None = None


class ToolAnswer(BaseModel):
    """What a tool gave back that the caller ran."""

    type: Literal["tool"] = "tool"
    tool_call_id: str = Field(min_length=1)
    tool_return: str | list[Content]
    status: Literal["success", "error"] = "success"
    stdout: list[str] | None = None
    stderr: list[str] | None = None


Answer = Annotated[
    Annotated[ApprovalAnswer, Tag("approval")] | Annotated[ToolAnswer, Tag("tool")],
    by_type(lambda answer: "approval" if "approve" in answer else "tool"),
]


class ApprovalCreate(BaseModel):
    """An answer to a request for approval: call by call, or in the old form one for all."""

    type: Literal["approval"]
    approvals: list[Answer] | None = Field(default=None, description="One for each call.")
    approve: bool | None = Field(default=None, description="Old form: the answer to every call.")
    approval_request_id: str | None = Field(
        default=None, description="Old form: which request; null: the one that waits."
    )
    reason: str | None = Field(default=None, description="Old form: why.")
    otid: str | None = None


class ToolReturnCreate(BaseModel):
    """What tools gave back that the caller ran."""

    type: Literal["tool_return"]
    tool_returns: list[ToolAnswer]
    otid: str | None = None


def first_call_id(sent: ApprovalCreate | ToolReturnCreate) -> str | None:
    """A call that the answer names; by it the request is found that it belongs to."""
    answers = sent.tool_returns if isinstance(sent, ToolReturnCreate) else sent.approvals
    return answers[0].tool_call_id if answers else None


def answer_parts(
    sent: ApprovalCreate | ToolReturnCreate, requests: Requests
) -> tuple[Approval | ToolReturn, ...]:
    """The parts of the answer, one for each call it names.

    Raises:
        InvalidRequest: it names no call, or one twice, or a request that there is not.
        NotSupported: a tool returned an image.
    """
    answers: list[ApprovalAnswer | ToolAnswer]
    if isinstance(sent, ToolReturnCreate):
        answers = [*sent.tool_returns]
    else:
        answers = [*(sent.approvals or _to_all(sent, requests))]
    call_ids = [answer.tool_call_id for answer in answers]
    if not call_ids or len(set(call_ids)) < len(call_ids):
        raise InvalidRequest("approvals: one answer for each tool call that waits is required")
    if isinstance(sent, ApprovalCreate) and sent.approval_request_id:
        _check_named(call_ids, requests)
    _check_returned(answers, requests.callers_call_ids)
    names = _names_in(requests)
    return tuple(_part(answer, names.get(answer.tool_call_id, "")) for answer in answers)


def _to_all(sent: ApprovalCreate, requests: Requests) -> list[ApprovalAnswer]:
    """The old form: one answer to every call of a request."""
    if sent.approve is None:
        raise InvalidRequest("approvals: at least one answer is required", field="approvals")
    request = requests.named if sent.approval_request_id else requests.pending
    if request is None:
        raise _no_such_request(requests)
    return [
        ApprovalAnswer(tool_call_id=call.tool_call_id, approve=sent.approve, reason=sent.reason)
        for call in waiting_in(request)
    ]


def _no_such_request(requests: Requests) -> InvalidRequest:
    waiting = requests.pending.id if requests.pending else "none"
    return InvalidRequest(
        "approval_request_id must name a request for approval of this conversation; "
        f"waiting now: {waiting}",
        field="approval_request_id",
    )


def _check_named(call_ids: Sequence[str], requests: Requests) -> None:
    """Refuse an answer whose request and calls do not belong together: one of them is a mistake."""
    if requests.named is None:
        raise _no_such_request(requests)
    known = {part.tool_call_id for part in requests.named.parts if isinstance(part, ToolCall)}
    strange = [call_id for call_id in call_ids if call_id not in known]
    if strange:
        raise InvalidRequest(
            f"approvals: {requests.named.id!r} asked for no answer to the calls"
            f" {', '.join(strange)}; its calls are {', '.join(sorted(known))}",
            field="approvals",
        )


def _check_returned(
    answers: Sequence[ApprovalAnswer | ToolAnswer], callers_call_ids: frozenset[str]
) -> None:
    """Refuse to approve what we cannot run: a tool of the caller's, perhaps with a name of ours."""
    for answer in answers:
        is_approved = isinstance(answer, ApprovalAnswer) and answer.approve
        if is_approved and answer.tool_call_id in callers_call_ids:
            raise InvalidRequest(
                f"approvals: {answer.tool_call_id} calls a tool that you run: answer with what it"
                ' gave, {"type": "tool", "tool_call_id": ..., "tool_return": ...}, or deny it',
                field="approvals",
            )


def _names_in(requests: Requests) -> dict[str, str]:
    return {
        part.tool_call_id: part.name
        for request in (requests.named, requests.pending)
        if request is not None
        for part in request.parts
        if isinstance(part, ToolCall)
    }


def _part(answer: ApprovalAnswer | ToolAnswer, name: str) -> Approval | ToolReturn:
    match answer:
        case ApprovalAnswer():
            return Approval(
                tool_call_id=answer.tool_call_id, approve=answer.approve, reason=answer.reason
            )
        case ToolAnswer():
            return ToolReturn(
                tool_call_id=answer.tool_call_id,
                name=name,
                text=_text_of(answer),
                status=answer.status,
                stdout=tuple(answer.stdout or ()),
                stderr=tuple(answer.stderr or ()),
            )


def _text_of(answer: ToolAnswer) -> str:
    parts = content_parts(answer.tool_return)
    texts = [part.text for part in parts if isinstance(part, Text)]
    if len(texts) < len(parts):
        raise NotSupported("tool_return: images that a tool returns are not served yet")
    return "\n".join(texts)
