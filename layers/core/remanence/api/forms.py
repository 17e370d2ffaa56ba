"""Forms with files (multipart/form-data), read with the standard library's parser of MIME.

A route takes `form: ThisForm`. The gate has bounded the size of the body before.
"""

from dataclasses import dataclass
from email.parser import BytesParser
from email.policy import HTTP
from typing import Annotated

from fastapi import Depends, Request

from remanence.errors import InvalidRequest


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a form by name; of a name that is given twice, the last."""

    fields: dict[str, bytes]

    def text(self, *names: str) -> str | None:
        """The first of these fields that is not empty."""
        given = (self.fields.get(name, b"").decode("utf-8", "replace") for name in names)
        return next((value for value in given if value), None)

    def or_else(self, name: str, value: str) -> "Form":
        """The form, with this value of a field that it does not have."""
        return Form({name: value.encode(), **self.fields})

    def flag(self, name: str, *, default: bool) -> bool:
        """A field that is true or false.

        Raises:
            InvalidRequest: it is neither.
        """
        value = (self.text(name) or str(default)).lower()
        if value not in {"true", "false", "1", "0"}:
            raise InvalidRequest(f"{name}: must be true or false", field=name)
        return value in {"true", "1"}


def parse_form(content_type: str, body: bytes) -> Form:
    """The fields of a body.

    Raises:
        InvalidRequest: it is no form.
    """
    head = b"Content-Type: " + content_type.encode("latin-1", "replace") + b"\r\n\r\n"
    message = BytesParser(policy=HTTP).parsebytes(head + body)
    if message.get_content_type() != "multipart/form-data" or not message.is_multipart():
        raise InvalidRequest("the body must be multipart/form-data", field="file")
    fields: dict[str, bytes] = {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        payload = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(payload, bytes):
            fields[name] = payload
    return Form(fields)


async def _form_of(request: Request) -> Form:
    return parse_form(request.headers.get("content-type", ""), await request.body())


ThisForm = Annotated[Form, Depends(_form_of)]
