"""OpenAI's chat completions as a way to talk to an agent: what is asked.

Path: routes/chat_completions.py -> ChatRequest -> engine.attend -> wire/chat_replies.py. The
caller's history is not read: the agent remembers it. New is what stands behind the last reply in
the request: what the user says, and what tools of the caller gave back.
"""

import hashlib
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from remanence.api.wire.images import image_at
from remanence.api.wire.openai_inputs import TextFormat, answer_key, caller_tool, new_message
from remanence.api.wire.tools import CallerToolName
from remanence.core.claims import RunOrder
from remanence.core.exchange import Image, Text, ToolReturn
from remanence.core.ids import IdSource
from remanence.core.types import Message, RunOptions, Tool
from remanence.errors import InvalidRequest


class ImageUrl(BaseModel):
    """Where an image is, or the image itself as a data URL."""

    url: str = Field(min_length=1)
    detail: str | None = None


class ContentPart(BaseModel):
    """A piece of what is said."""

    type: Literal["text", "image_url"]
    text: str | None = None
    image_url: ImageUrl | None = None


class FunctionCall(BaseModel):
    """What a model called."""

    name: str
    arguments: str = ""


class ChatToolCall(BaseModel):
    """A call of one of the caller's tools, as it was answered before."""

    id: str
    function: FunctionCall


class ChatMessage(BaseModel):
    """One message of the caller's history."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[ContentPart] | None = None
    name: str | None = None
    tool_call_id: str | None = None
    tool_calls: list[ChatToolCall] | None = None


class ChatFunction(BaseModel):
    """A function of the caller."""

    name: CallerToolName
    description: str | None = None
    parameters: dict[str, Any] | None = None


class ChatTool(BaseModel):
    """A tool of the caller, who runs it."""

    type: Literal["function"] = "function"
    function: ChatFunction


class StreamWish(BaseModel):
    """What a stream shall have beside the text."""

    include_usage: bool = False


class ChatRequest(BaseModel):
    """Say something to an agent. Model settings are the agent's own; others are not read."""

    model: str = Field(min_length=1, description="The agent's id, or its name.")
    messages: list[ChatMessage] = Field(
        min_length=1,
        description="What is behind the last assistant message is said; the rest is remembered "
        "already. System messages are not read: the agent has its own.",
    )
    stream: bool = False
    stream_options: StreamWish | None = None
    user: str | None = Field(
        default=None, max_length=500, description="Each user has a conversation of their own."
    )
    conversation_id: str | None = Field(
        default=None, description="The conversation, in place of the user's."
    )
    tools: list[ChatTool] | None = Field(
        default=None, description="Run by the caller: calls come back with tool_calls."
    )
    tool_choice: Literal["auto", "none"] | None = Field(
        default=None, description="none: without the caller's tools. Others are not served."
    )
    response_format: TextFormat | None = Field(default=None, description="Null: text.")
    n: int = Field(default=1, ge=1, le=1, description="How many answers; an agent gives 1.")

    def to_order(
        self,
        *,
        agent_id: str,
        conversation_id: str | None,
        idempotency_key: str | None,
        now: datetime,
        new_id: IdSource,
    ) -> RunOrder:
        """The run that this asks for.

        Raises:
            InvalidRequest: nothing new is said, or an image that no provider reads.
        """
        digest = hashlib.sha256(self.model_dump_json().encode()).hexdigest()
        messages = tuple(self._said(now, new_id))
        key = idempotency_key or answer_key(messages)
        tools = () if self.tool_choice == "none" else self.tools or ()
        return RunOrder(
            agent_id=agent_id,
            conversation_id=conversation_id,
            messages=messages,
            options=RunOptions(client_tools=tuple(_tool(tool) for tool in tools)),
            idempotency_key=key,
            request_hash=digest if key else None,
        )

    def _said(self, now: datetime, new_id: IdSource) -> Iterator[Message]:
        replies = [n for n, message in enumerate(self.messages) if message.role == "assistant"]
        new = self.messages[replies[-1] + 1 :] if replies else self.messages
        returned = tuple(self._return(message) for message in new if message.role == "tool")
        if returned:
            yield new_message("approval", returned, now, new_id)
        users = [message for message in new if message.role == "user"]
        if not returned and not users:
            raise InvalidRequest(
                "messages: nothing new is said behind the last assistant message", field="messages"
            )
        for message in users:
            yield new_message("user", tuple(_parts(message)), now, new_id)

    def _return(self, message: ChatMessage) -> ToolReturn:
        names = {
            call.id: call.function.name
            for earlier in self.messages
            for call in earlier.tool_calls or ()
        }
        call_id = message.tool_call_id or ""
        text = "".join(part.text for part in _parts(message) if isinstance(part, Text))
        return ToolReturn(tool_call_id=call_id, name=names.get(call_id, ""), text=text)


def _parts(message: ChatMessage) -> Iterator[Text | Image]:
    content = message.content or ""
    pieces = [ContentPart(type="text", text=content)] if isinstance(content, str) else content
    for piece in pieces:
        if piece.image_url is not None:
            yield image_at(piece.image_url.url, piece.image_url.detail)
        elif piece.text and piece.text.strip():
            yield Text(text=piece.text)


def _tool(tool: ChatTool) -> Tool:
    function = tool.function
    return caller_tool(function.name, function.description, function.parameters)
