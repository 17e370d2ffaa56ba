"""What is said to an agent: the request of the message routes, as the engine's order.

Path: routes/messages.py -> RunRequest -> to_order -> engine.start.
Reads only; what is not served yet is refused here by name, never dropped.
"""

import hashlib
import json
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal, cast

from pydantic import AliasChoices, BaseModel, Discriminator, Field, Tag

from remanence.api.wire.messages import View
from remanence.api.wire.speech import Speech
from remanence.core.claims import RunOrder
from remanence.core.exchange import Image, Part, Text
from remanence.core.ids import IdSource
from remanence.core.tokens import estimate_parts
from remanence.core.types import Message, RunOptions
from remanence.errors import InvalidRequest, NotSupported

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


def _tag(default: Callable[[dict[str, Any]], str]) -> Discriminator:
    """Tells the members of a union by `type`, which the protocol lets a caller leave out."""

    def tag(value: Any) -> str:
        if isinstance(value, dict):
            values = cast("dict[str, Any]", value)  # of JSON, so its keys are strings
            return str(values.get("type") or default(values))
        return str(getattr(value, "type", ""))

    return Discriminator(tag)


class TextContent(BaseModel):
    """A piece of text."""

    type: Literal["text"] = "text"
    text: str


class UrlSource(BaseModel):
    """An image that the model's provider fetches."""

    type: Literal["url"] = "url"
    url: str = Field(min_length=1)


class Base64Source(BaseModel):
    """An image in the request itself."""

    type: Literal["base64"] = "base64"
    data: str = Field(min_length=1)
    media_type: str = Field(min_length=1)
    detail: str | None = None


ImageSource = Annotated[
    Annotated[UrlSource, Tag("url")] | Annotated[Base64Source, Tag("base64")],
    _tag(lambda source: "url" if "url" in source else "base64"),
]


class ImageContent(BaseModel):
    """An image."""

    type: Literal["image"] = "image"
    source: ImageSource


Content = Annotated[
    Annotated[TextContent, Tag("text")] | Annotated[ImageContent, Tag("image")],
    _tag(lambda content: "image" if "source" in content else "text"),
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


class ApprovalCreate(BaseModel):
    """An answer to a request for approval."""

    type: Literal["approval"]


class ToolReturnCreate(BaseModel):
    """What tools gave back that the caller ran."""

    type: Literal["tool_return"]


Input = Annotated[
    Annotated[MessageCreate, Tag("message")]
    | Annotated[ApprovalCreate, Tag("approval")]
    | Annotated[ToolReturnCreate, Tag("tool_return")],
    _tag(lambda _: "message"),
]


class RunRequest(BaseModel):
    """Say something to an agent and have it answer."""

    messages: list[Input] | None = None
    input: str | list[Content] | None = Field(
        default=None, description="Short for one user message; exclusive with `messages`."
    )
    max_steps: int = Field(50, ge=1, description="Model calls this run may take at most.")
    client_tools: list[dict[str, Any]] | None = None
    override_model: str | None = None
    override_system: str | None = Field(
        default=None, validation_alias=AliasChoices("override_system", "system")
    )
    use_assistant_message: bool = True
    assistant_message_tool_name: str = "send_message"
    assistant_message_tool_kwarg: str = "message"
    include_return_message_types: list[MessageType] | None = None
    streaming: bool = False
    stream_tokens: bool = False
    include_pings: bool = True
    background: bool = False

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
        )

    def to_order(
        self, *, agent_id: str, idempotency_key: str | None, now: datetime, new_id: IdSource
    ) -> RunOrder:
        """The order for the agent's default conversation.

        Args:
            agent_id: whom it is said to.
            idempotency_key: the caller's; without one, the otids of the messages are the key.
            now: when it was said.
            new_id: makes the ids of the messages.

        Raises:
            InvalidRequest: there is nothing in it, or both `messages` and `input`.
            NotSupported: approvals, tools that the caller runs, background.
        """
        self._check_served()
        sent = self._sent()
        options = self._options()
        key = idempotency_key or _key_of(sent)
        return RunOrder(
            agent_id=agent_id,
            conversation_id=None,
            messages=tuple(_message(item, now, new_id) for item in sent),
            options=options,
            idempotency_key=key,
            request_hash=None if key is None else self._hash(sent),
        )

    def _check_served(self) -> None:
        if self.background:
            raise NotSupported("background: runs in the background are not served yet")
        if self.client_tools:
            raise NotSupported("client_tools: tools that the caller runs are not served yet")

    def _sent(self) -> list[MessageCreate]:
        if (self.messages is None) == (self.input is None):
            raise InvalidRequest("exactly one of messages and input is required", field="messages")
        if self.input is not None:
            return [MessageCreate(role="user", content=self.input)]
        sent: list[MessageCreate] = []
        for item in self.messages or ():
            if not isinstance(item, MessageCreate):
                raise NotSupported(f"messages: answers of type {item.type} are not served yet")
            sent.append(item)
        if not sent:
            raise InvalidRequest("messages: at least one is required", field="messages")
        return sent

    def _options(self) -> RunOptions:
        kinds = self.include_return_message_types
        return RunOptions(
            max_steps=self.max_steps,
            override_model=self.override_model,
            override_system=self.override_system,
            use_assistant_message=self.use_assistant_message,
            include_return_message_types=None if kinds is None else tuple(kinds),
        )

    def _hash(self, sent: list[MessageCreate]) -> str:
        """What makes two requests the same: what is said and how it is run, not how it is sent."""
        canonical = {
            "messages": [item.model_dump() for item in sent],
            "max_steps": self.max_steps,
            "override_model": self.override_model,
            "override_system": self.override_system,
        }
        text = json.dumps(canonical, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def speech_of(use_assistant_message: bool, tool_name: str, argument: str) -> Speech:
    """Which tool speaks, as a caller says it in three parameters."""
    return Speech(tool_name=tool_name if use_assistant_message else None, argument=argument)


def _key_of(sent: list[MessageCreate]) -> str | None:
    otids = [item.otid for item in sent if item.otid]
    if not otids:
        return None
    return "otid:" + hashlib.sha256("\n".join(otids).encode()).hexdigest()


def _message(item: MessageCreate, now: datetime, new_id: IdSource) -> Message:
    parts = _parts(item)
    return Message(
        id=new_id("message"),
        role=item.role,
        parts=parts,
        created_at=now,
        tokens=estimate_parts(parts),
        name=item.name,
        otid=item.otid,
        sender_id=item.sender_id,
    )


def _parts(item: MessageCreate) -> tuple[Part, ...]:
    content = [TextContent(text=item.content)] if isinstance(item.content, str) else item.content
    parts = tuple(_part(piece) for piece in content)
    if not any(
        isinstance(part, Image) or (isinstance(part, Text) and part.text.strip()) for part in parts
    ):
        # An empty message is refused by every provider: stored once, it would be in every prompt.
        raise InvalidRequest("content: a message must not be empty", field="content")
    if item.role != "user" and any(isinstance(part, Image) for part in parts):
        raise InvalidRequest(f"content: a {item.role} message holds only text", field="content")
    return parts


def _part(piece: TextContent | ImageContent) -> Part:
    match piece:
        case TextContent():
            return Text(text=piece.text)
        case ImageContent(source=UrlSource() as source):
            return Image(url=source.url)
        case ImageContent(source=Base64Source() as source):
            return Image(media_type=source.media_type, data=source.data, detail=source.detail)
        case _:
            raise TypeError(type(piece).__name__)
