"""Text and images as callers write them, and unions told apart by `type`.

Path: wire/inputs.py and wire/answers.py -> here -> core parts.
"""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, Discriminator, Field, Tag

from remanence.api.wire.images import image_at, image_of_base64
from remanence.core.exchange import Image, Text


def by_type(default: Callable[[dict[str, Any]], str]) -> Discriminator:
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
    by_type(lambda source: "url" if "url" in source else "base64"),
]


class ImageContent(BaseModel):
    """An image."""

    type: Literal["image"] = "image"
    source: ImageSource


Content = Annotated[
    Annotated[TextContent, Tag("text")] | Annotated[ImageContent, Tag("image")],
    by_type(lambda content: "image" if "source" in content else "text"),
]


def content_parts(content: str | Sequence[TextContent | ImageContent]) -> list[Text | Image]:
    """The parts of a content, in order; a plain text is one part.

    Raises:
        InvalidRequest: an image that no provider reads.
    """
    if isinstance(content, str):
        return [Text(text=content)]
    return [_part(piece) for piece in content]


def _part(piece: TextContent | ImageContent) -> Text | Image:
    match piece:
        case TextContent():
            return Text(text=piece.text)
        case ImageContent(source=UrlSource() as source):
            return image_at(source.url)
        case ImageContent(source=Base64Source() as source):
            return image_of_base64(source.media_type, source.data, source.detail)
        case _:
            raise TypeError(type(piece).__name__)
