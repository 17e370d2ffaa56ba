"""The page for people at /docs: the OpenAPI document as plain HTML.

Path: api.routes.docs -> page_of. Pure. All of it is in the page, which works without a network
and, but for its filter, without a script. Everything from the document is escaped.
"""

from collections.abc import Iterator
from html import escape
from typing import Any

# What bounds a value, as it is said on the page.
_BOUNDS = (
    ("minimum", "at least {}"),
    ("exclusiveMinimum", "more than {}"),
    ("maximum", "at most {}"),
    ("exclusiveMaximum", "less than {}"),
    ("minLength", "{} characters or more"),
    ("maxLength", "{} characters at most"),
    ("minItems", "{} items or more"),
    ("maxItems", "{} items at most"),
    ("pattern", "matching {}"),
    ("default", "default {}"),
)


def page_of(document: dict[str, Any]) -> str:
    """The whole page."""
    info = document["info"]
    sections = [*_operation_sections(document), _types_section(document)]
    links = " · ".join(f'<a href="#tag-{escape(name)}">{escape(name)}</a>' for name, _ in sections)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(info['title'])} API</title>"
        '<link rel="stylesheet" href="docs/docs.css">'
        '<script src="docs/docs.js" defer></script></head><body>'
        f"<header><h1>{escape(info['title'])} API {escape(info['version'])}</h1>"
        '<input type="search" placeholder="Filter by path, field or word" aria-label="Filter">'
        '<output class="soft"></output></header>'
        f'<p>{_prose(info["description"])} <a href="openapi.json">openapi.json</a></p>'
        f"<nav>{links}</nav>" + "".join(html for _, html in sections) + "</body></html>\n"
    )


def _operation_sections(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The operations of each tag, in the document's order."""
    tags: dict[str, list[str]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            entry = _operation(document, method.upper(), path, operation)
            tags.setdefault(operation["tags"][0], []).append(entry)
    for tag, entries in tags.items():
        yield tag, _section(tag, entries)


def _types_section(document: dict[str, Any]) -> tuple[str, str]:
    schemas = document["components"]["schemas"]
    entries = [
        _entry(
            f"type-{name}",
            f"<code>{escape(_short(name))}</code>",
            _prose(schema.get("description", "")) + _fields(schema),
        )
        for name, schema in sorted(schemas.items(), key=lambda item: _short(item[0]))
    ]
    return "types", _section("types", entries)


def _section(name: str, entries: list[str]) -> str:
    return (
        f'<section id="tag-{escape(name)}"><h2>{escape(name)}</h2>'
        + "".join(entries)
        + "</section>"
    )


def _entry(anchor: str, title: str, body: str) -> str:
    return f'<details id="{escape(anchor)}"><summary>{title}</summary><div>{body}</div></details>'


def _operation(document: dict[str, Any], method: str, path: str, operation: dict[str, Any]) -> str:
    """What one operation takes and answers."""
    words = operation.get("description") or operation["summary"]
    title = f'<span class="verb">{method}</span> <code>{escape(path)}</code> '
    body = [f"<p>{_prose(words)}</p>"]
    parameters = operation.get("parameters", [])
    if parameters:
        fields = "".join(
            _field(each["name"], each["schema"] | each, required=each.get("required", False))
            for each in parameters
        )
        body.append(f"<h3>Parameters</h3><dl>{fields}</dl>")
    for media, content in operation.get("requestBody", {}).get("content", {}).items():
        body.append(f"<h3>Body, {escape(media)}: {_type(content['schema'])}</h3>")
        body.append(_fields(_resolved(document, content["schema"])))
    body.append("<h3>Answers</h3><dl>")
    for status, answer in operation["responses"].items():
        kinds = ", ".join(
            _type(each.get("schema", {})) for each in answer.get("content", {}).values()
        )
        body.append(f"<dt><code>{escape(status)}</code> {kinds}</dt>")
        body.append(f"<dd>{_prose(answer.get('description', ''))}</dd>")
    body.append("</dl>")
    soft = f'<span class="soft">{_prose(words.partition(". ")[0].splitlines()[0])}</span>'
    return _entry(operation["operationId"], title + soft, "".join(body))


def _resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """The type that a body is of, where it is only one."""
    kinds = [each for each in schema.get("anyOf", [schema]) if "$ref" in each]
    if len(kinds) != 1:
        return schema
    found: dict[str, Any] = document["components"]["schemas"][_name_in(kinds[0])]
    return found


def _fields(schema: dict[str, Any]) -> str:
    """Every field of an object, with its unit and its limit."""
    required = schema.get("required", [])
    fields = "".join(
        _field(name, field, required=name in required)
        for name, field in schema.get("properties", {}).items()
    )
    return f"<dl>{fields}</dl>" if fields else ""


def _field(name: str, schema: dict[str, Any], *, required: bool) -> str:
    must = " <b>required</b>" if required else ""
    where = f" in the {schema['in']}" if "in" in schema else ""
    bounds = ", ".join(_bounds(schema))
    return (
        f"<dt><code>{escape(name)}</code>{must}"
        f' <span class="soft">{_type(schema)}{escape(where)}{"; " if bounds else ""}{bounds}</span>'
        f"</dt><dd>{_prose(schema.get('description', ''))}</dd>"
    )


def _bounds(schema: dict[str, Any]) -> Iterator[str]:
    for each in [schema, *schema.get("anyOf", [])]:
        for key, words in _BOUNDS:
            if each.get(key) is not None:
                yield words.format(f"<code>{escape(str(each[key]))}</code>")


def _type(schema: dict[str, Any]) -> str:
    """A type in words, with links to the types it names."""
    if "$ref" in schema:
        name = _name_in(schema)
        return f'<a href="#type-{escape(name)}">{escape(_short(name))}</a>'
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return " or ".join(_type(each) for each in schema[key])
    if "const" in schema:
        return f"<code>{escape(str(schema['const']))}</code>"
    if "enum" in schema:
        return " or ".join(f"<code>{escape(str(value))}</code>" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    words = str(schema.get("type", "anything"))
    return escape(f"{words} ({schema['format']})" if "format" in schema else words)


def _name_in(schema: dict[str, Any]) -> str:
    return str(schema["$ref"]).rpartition("/")[2]


def _short(name: str) -> str:
    """A type's own name, where the document says its module too."""
    return name.rpartition("__")[2]


def _prose(text: str) -> str:
    """Words of the document; what stands between backticks is code."""
    pieces = escape(text).split("`")
    return "".join(f"<code>{piece}</code>" if at % 2 else piece for at, piece in enumerate(pieces))
