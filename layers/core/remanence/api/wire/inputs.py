"""What is said to an agent: the request of the message routes, as the engine's order.

Path: routes/messages.py -> RunRequest -> to_order -> engine.attend or engine.enqueue.
Reads only; what is not served yet is refused here by name, never dropped.
"""

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, Field, Tag

from remanence.api.wire.answers import ApprovalCreate, Requests, ToolReturnCreate, answer_parts
from remanence.api.wire.callbacks import CallbackMethod, CallbackUrl
from remanence.api.wire.contents import Content, by_type, content_parts
from remanence.api.wire.messages import View
from remanence.api.wire.speech import Speech
from remanence.api.wire.tools import CallerToolName
from remanence.api.wire.unserved_fields import UnservedOfRuns
from remanence.core.approvals import CLIENT_TOOL
from remanence.core.claims import RunOrder
from remanence.core.exchange import Image, JsonObject, StoredPart
from remanence.core.ids import IdSource, ToolId
from remanence.core.tokens import estimate_parts
from remanence.core.types import Message, RunOptions, Tool
from remanence.errors import InvalidRequest

MessageType = Literal[
    "system_message",
    "user_message",
    "assistant_message",
    "reasoning_message",
    "hidden_reasoning_message",
    "tool_call_message",
    "tool_return_message",
    "approval_request_message",
    "approval_response_message",
    "summary_message",
    "event_message",
]


class MessageCreate(BaseModel):
    """A message for the agent."""

    type: Literal["message"] | None = "message"
    role: Literal["user", "system", "assistant"]
    content: str | list[Content]
    name: str | None = None
    otid: str | None = Field(
        default=None, description="The caller's own id: the same one again is the same request."
    )
    sender_id: str | None = None


Input = Annotated[
    Annotated[MessageCreate, Tag("message")]
    | Annotated[ApprovalCreate, Tag("approval")]
    | Annotated[ToolReturnCreate, Tag("tool_return")],
    by_type(lambda _: "message"),
]


class ClientTool(BaseModel):
    """A tool that the caller runs: a call of it ends the run, and its return begins the next."""

    name: CallerToolName
    description: str | None = None
    parameters: dict[str, Any] | None = Field(
        default=None, description="JSON schema of the arguments, an object."
    )


class SayRequest(UnservedOfRuns):
    """What is said to an agent, and how it shall run."""

    messages: list[Input] | None = None
    input: str | list[Content] | None = Field(
        default=None, description="Short for one user message; exclusive with `messages`."
    )
    max_steps: int = Field(50, ge=1, description="Model calls this run may take at most.")
    client_tools: list[ClientTool] | None = Field(
        default=None, description="Tools that the caller runs; one of them hides ours."
    )
    override_model: str | None = None
    override_system: str | None = Field(
        default=None, validation_alias=AliasChoices("override_system", "system")
    )
    use_assistant_message: bool = True
    assistant_message_tool_name: str = "send_message"
    assistant_message_tool_kwarg: str = "message"
    include_return_message_types: list[MessageType] | None = None
    include_compaction_messages: bool = Field(
        default=False, description="Tell by messages when older ones had to leave the context."
    )

    def view(self) -> View:
        """How the caller wants to see the answer."""
        kinds = self.include_return_message_types
        return View(
            speech=speech_of(
                self.use_assistant_message,
                self.assistant_message_tool_name,
                self.assistant_message_tool_kwarg,
            ),
            message_types=None if kinds is None else frozenset(kinds),
            compactions=self.include_compaction_messages,
        )

    def answer(self) -> ApprovalCreate | ToolReturnCreate | None:
        """The answer to waiting tool calls, if that is what is said.

        Raises:
            InvalidRequest: it is said together with something else.
        """
        answers = [item for item in self.messages or () if not isinstance(item, MessageCreate)]
        if answers and len(self.messages or ()) > 1:
            raise InvalidRequest(
                "messages: an answer to tool calls must be the only message", field="messages"
            )
        return answers[0] if answers else None

    def to_order(
        self,
        *,
        agent_id: str | None,
        idempotency_key: str | None,
        now: datetime,
        new_id: IdSource,
        conversation_id: str | None = None,
        requests: Requests | None = None,
    ) -> RunOrder:
        """The order for a conversation, the agent's default one unless it is named.

        Args:
            agent_id: whom it is said to.
            idempotency_key: the caller's; without one, the otids of the messages are the key, or
                the request for approval that they answer.
            now: when it was said.
            new_id: makes the ids of the messages.
            conversation_id: where it is said.
            requests: what an answer may be to.

        Raises:
            InvalidRequest: there is nothing in it, or both `messages` and `input`.
            NotSupported: a tool returned an image, or a field that is not served was given.
        """
        self.refuse_unserved()
        sent = self._sent()
        requests = requests or Requests()
        messages = tuple(_message(item, requests, now, new_id) for item in sent)
        key = idempotency_key or _key_of(sent, requests)
        return RunOrder(
            agent_id=agent_id,
            conversation_id=conversation_id,
            messages=messages,
            options=self._options(new_id),
            idempotency_key=key,
            request_hash=None if key is None else self._hash(sent),
        )

    def _sent(self) -> Sequence[MessageCreate | ApprovalCreate | ToolReturnCreate]:
        if (self.messages is None) == (self.input is None):
            raise InvalidRequest("exactly one of messages and input is required", field="messages")
        if self.input is not None:
            return [MessageCreate(role="user", content=self.input)]
        if not self.messages:
            raise InvalidRequest("messages: at least one is required", field="messages")
        self.answer()  # refuses what is beside one
        return self.messages

    def _options(self, new_id: IdSource) -> RunOptions:
        kinds = self.include_return_message_types
        return RunOptions(
            max_steps=self.max_steps,
            client_tools=_tools(self.client_tools or (), new_id),
            override_model=self.override_model,
            override_system=self.override_system,
            use_assistant_message=self.use_assistant_message,
            include_return_message_types=None if kinds is None else tuple(kinds),
            include_compaction_messages=self.include_compaction_messages,
        )

    def _hash(self, sent: Sequence[BaseModel]) -> str:
        """What makes two requests the same: what is said and how it is run, not how it is sent."""
        canonical: dict[str, Any] = {
            "messages": [
                item.model_dump(exclude=None if isinstance(item, MessageCreate) else {"otid"})
                for item in sent
            ],
            "max_steps": self.max_steps,
            "client_tools": [tool.model_dump() for tool in self.client_tools or ()],
            "override_model": self.override_model,
            "override_system": self.override_system,
        }
        text = json.dumps(canonical, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


class RunRequest(SayRequest):
    """Say something to an agent and have it answer."""

    streaming: bool = False
    stream_tokens: bool = False
    include_pings: bool = True
    background: bool = Field(
        default=False, description="Queue it when the conversation is busy; only when streaming."
    )

    def check_streaming(self) -> None:
        """Refuse options of a stream in a request for a whole answer.

        Raises:
            InvalidRequest: which of them.
        """
        if self.streaming:
            return
        wrong = [name for name in ("stream_tokens", "background") if getattr(self, name)]
        wrong += [] if self.include_pings else ["include_pings"]
        if wrong:
            raise InvalidRequest(f"{wrong[0]}: only with streaming=true", field=wrong[0])


class AsyncRequest(SayRequest):
    """Say something to an agent that answers in the background."""

    callback_url: CallbackUrl | None = Field(
        default=None, description="Told when the run ends: http(s), and no address of ours."
    )
    callback_method: CallbackMethod = "POST"


def speech_of(use_assistant_message: bool, tool_name: str, argument: str) -> Speech:
    """Which tool speaks, as a caller says it in three parameters."""
    return Speech(tool_name=tool_name if use_assistant_message else None, argument=argument)


def _tools(brought: Sequence[ClientTool], new_id: IdSource) -> tuple[Tool, ...]:
    names = [tool.name for tool in brought]
    if len(set(names)) < len(names):
        raise InvalidRequest("client_tools: two have the same name", field="client_tools")
    return tuple(
        Tool(
            id=ToolId(new_id("tool")),
            name=tool.name,
            description=tool.description or "",
            tool_type=CLIENT_TOOL,
            parameters=_schema_of(tool),
        )
        for tool in brought
    )


def _schema_of(tool: ClientTool) -> JsonObject:
    schema: JsonObject = {"type": "object", "properties": {}, **(tool.parameters or {})}
    if schema["type"] != "object":
        raise InvalidRequest(
            f"client_tools: the parameters of {tool.name} must be a schema of type object",
            field="client_tools",
        )
    return schema


def _key_of(
    sent: Sequence[MessageCreate | ApprovalCreate | ToolReturnCreate], requests: Requests
) -> str | None:
    """What says by itself that two requests are one: the otids, or the request they answer.

    A request is answered once, so an answer that is sent again is the same one, whatever its otid.
    """
    answered = requests.named or requests.pending
    if answered is not None and not isinstance(sent[0], MessageCreate):
        return f"to:{answered.id}"
    otids = [item.otid for item in sent if item.otid]
    return "otid:" + hashlib.sha256("\n".join(otids).encode()).hexdigest() if otids else None


def _message(
    item: MessageCreate | ApprovalCreate | ToolReturnCreate,
    requests: Requests,
    now: datetime,
    new_id: IdSource,
) -> Message:
    parts: tuple[StoredPart, ...]
    parts = _parts(item) if isinstance(item, MessageCreate) else answer_parts(item, requests)
    return Message(
        id=new_id("message"),
        role=item.role if isinstance(item, MessageCreate) else "approval",
        parts=parts,
        created_at=now,
        tokens=estimate_parts(parts),
        name=getattr(item, "name", None),
        otid=item.otid,
        sender_id=getattr(item, "sender_id", None),
    )


def _parts(item: MessageCreate) -> tuple[StoredPart, ...]:
    parts = content_parts(item.content)
    if not any(isinstance(part, Image) or part.text.strip() for part in parts):
        # An empty message is refused by every provider: stored once, it would be in every prompt.
        raise InvalidRequest("content: a message must not be empty", field="content")
    if item.role != "user" and any(isinstance(part, Image) for part in parts):
        raise InvalidRequest(f"content: a {item.role} message holds only text", field="content")
    return tuple(parts)
