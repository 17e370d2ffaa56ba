"""OpenAI's responses as a way to talk to an agent: what is asked.

Path: routes/responses.py -> ResponseRequest -> engine.attend -> wire/response_events.py. As with
chat completions the agent remembers; new is what stands behind its last output in the input. What
would change the answer and cannot be honoured is refused; settings of the model are the agent's.
"""

import hashlib
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StringConstraints, model_validator

from remanence.api.wire.images import image_at
from remanence.api.wire.openai_inputs import TextFormat, answer_key, caller_tool, new_message
from remanence.api.wire.tools import CallerToolName
from remanence.core.claims import RunOrder
from remanence.core.exchange import Image, Text, ToolReturn
from remanence.core.ids import IdSource
from remanence.core.types import Message, RunOptions
from remanence.errors import InvalidRequest

MAX_INSTRUCTIONS = 100_000
_OURS = frozenset({"assistant"})
_TEXT_TYPES = ("input_text", "output_text", "text")


class InputContent(BaseModel):
    """A piece of what is said."""

    type: Literal["input_text", "output_text", "text", "input_image", "refusal"] = Field(
        description="Texts and images; files and audio are not served."
    )
    text: str | None = Field(default=None, description="What is said, of parts of a text's type.")
    image_url: str | None = Field(
        default=None, description="Of an image: its address, or data:<type>;base64,<data>."
    )
    detail: str | None = Field(default=None, description="How closely the model looks at it.")


class InputItem(BaseModel):
    """One item of the input; which fields count depends on its type."""

    type: Literal[
        "message", "function_call", "function_call_output", "reasoning", "item_reference"
    ] = Field(default="message", description="Calls, reasoning and references are history.")
    role: Literal["user", "assistant", "system", "developer"] | None = Field(
        default=None, description="Of a message; what system and developer say is instructions."
    )
    content: str | list[InputContent] | None = Field(default=None, description="Of a message.")
    call_id: str | None = Field(default=None, description="Which call this is, or answers.")
    name: str | None = Field(default=None, description="The function of a function_call.")
    output: str | list[InputContent] | None = Field(
        default=None, description="What a function of the caller gave back."
    )

    @model_validator(mode="before")
    @classmethod
    def _without_history(cls, value: Any) -> Any:
        """Reasoning is only marked: its content has shapes that nobody reads here."""
        if isinstance(value, dict):
            kind: Any = value.get("type")  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
            if kind in ("reasoning", "item_reference"):
                return {"type": kind}
        return value  # pyright: ignore[reportUnknownVariableType]

    def is_output(self) -> bool:
        """Whether the agent has said this itself, in an earlier response."""
        return self.type in {"function_call", "reasoning"} or self.role in _OURS


class FunctionTool(BaseModel):
    """A function of the caller, who runs it."""

    type: Literal["function"] = Field(description="Tools that OpenAI runs are not served.")
    name: CallerToolName = Field(description="What the model calls it.")
    description: str | None = Field(default=None, description="What it is for.")
    parameters: dict[str, Any] | None = Field(
        default=None, description="A JSON schema of type object."
    )


class ConversationName(BaseModel):
    """A conversation by its id."""

    id: str = Field(description="conv-<uuid>")


class TextWish(BaseModel):
    """What the caller wants of the text."""

    format: TextFormat | None = Field(default=None, description="Null: text.")


MetadataValue = Annotated[str, StringConstraints(max_length=512)]
MetadataKey = Annotated[str, StringConstraints(max_length=64)]


class ResponseRequest(BaseModel):
    """Say something to an agent. Model settings are the agent's own; others are not read."""

    model: str = Field(min_length=1, description="The agent's id, or its name.")
    input: str | list[InputItem] = Field(
        description="What is said: a text, or items. What is behind the agent's last output is "
        "new; the rest is remembered already."
    )
    instructions: str | None = Field(
        default=None,
        max_length=MAX_INSTRUCTIONS,
        description="Behind the agent's own system prompt, for this response only; characters.",
    )
    conversation: str | ConversationName | None = Field(
        default=None, description="The conversation; not together with previous_response_id."
    )
    previous_response_id: str | None = Field(
        default=None, description="Go on, at its end, with the conversation of this response."
    )
    user: str | None = Field(
        default=None, max_length=500, description="Each user has a conversation of their own."
    )
    tools: list[FunctionTool] | None = Field(
        default=None, description="Run by the caller: calls come back as function_call items."
    )
    tool_choice: Literal["auto", "none"] = Field(
        default="auto", description="none: without the caller's tools. Others are not served."
    )
    max_output_tokens: int | None = Field(
        default=None, ge=1, description="Without effect: the agent's own setting counts."
    )
    stream: bool | None = Field(default=None, description="As server-sent events.")
    background: bool | None = Field(
        default=None, description="Answer at once, and go on behind what the agent is at."
    )
    store: Literal[True] | None = Field(
        default=None, description="Always true: what is said to an agent is remembered."
    )
    metadata: dict[MetadataKey, MetadataValue] | None = Field(
        default=None, max_length=16, description="Kept with the response; at most 16 pairs."
    )
    text: TextWish | None = Field(default=None, description="The form of the answer.")
    prompt: None = Field(default=None, description="Templates of prompts are not served.")

    @property
    def conversation_id(self) -> str | None:
        """The conversation that is named."""
        named = self.conversation
        return named.id if isinstance(named, ConversationName) else named

    @property
    def all_instructions(self) -> str:
        """The instructions, and what system and developer say in the input."""
        items = [] if isinstance(self.input, str) else self.input
        said = [
            part.text
            for item in items
            if item.role in ("system", "developer")
            for part in _parts(item.content)
            if isinstance(part, Text)
        ]
        return "\n\n".join([*([self.instructions] if self.instructions else []), *said])

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
            options=RunOptions(
                client_tools=tuple(
                    caller_tool(tool.name, tool.description, tool.parameters) for tool in tools
                ),
                instructions=self.all_instructions or None,
            ),
            metadata=dict(self.metadata or {}),
            background=bool(self.background),
            is_streamed=bool(self.background and self.stream),
            idempotency_key=key,
            request_hash=digest if key else None,
        )

    def _said(self, now: datetime, new_id: IdSource) -> Iterator[Message]:
        items = self.input
        if isinstance(items, str):
            items = [InputItem(role="user", content=items)]
        outputs = [n for n, item in enumerate(items) if item.is_output()]
        new = items[outputs[-1] + 1 :] if outputs else items
        names = {item.call_id: item.name for item in items if item.type == "function_call"}
        returned = tuple(
            _returned(item, names.get(item.call_id))
            for item in new
            if item.type == "function_call_output"
        )
        if returned:
            yield new_message("approval", returned, now, new_id)
        users = [item for item in new if item.role == "user"]
        if not returned and not users:
            raise InvalidRequest("input: nothing new is said by the user in it", field="input")
        for item in users:
            yield new_message("user", tuple(_parts(item.content)), now, new_id)


def _returned(item: InputItem, name: str | None) -> ToolReturn:
    if not item.call_id:
        raise InvalidRequest("input: a function_call_output needs its call_id", field="input")
    text = "".join(part.text for part in _parts(item.output) if isinstance(part, Text))
    return ToolReturn(tool_call_id=item.call_id, name=name or "", text=text)


def _parts(content: str | list[InputContent] | None) -> Iterator[Text | Image]:
    pieces = content or ""
    if isinstance(pieces, str):
        pieces = [InputContent(type="input_text", text=pieces)]
    for piece in pieces:
        if piece.type == "input_image":
            if not piece.image_url:
                raise InvalidRequest("input: an image needs its image_url", field="input")
            yield image_at(piece.image_url, piece.detail)
        elif piece.type in _TEXT_TYPES and piece.text and piece.text.strip():
            yield Text(text=piece.text)
