"""Values as JSON that Postgres takes.

Path: db.store -> storable_json. What people send is refused by the gate when it cannot be stored;
what a model or a tool has said is mended here, for it is paid for.
"""

from __future__ import annotations

import json
from typing import cast


def storable_json(value: object) -> str:
    """JSON that Postgres takes: texts without NUL, and U+FFFD for half a surrogate pair.

    A model may write either, and a step must not fail for it.
    """
    text = json.dumps(value, ensure_ascii=False)
    if "\\u0000" not in text and _is_unicode(text):
        return text
    return json.dumps(_storable(value), ensure_ascii=False)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _storable(value: object) -> object:
    if isinstance(value, str):
        whole = value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return whole.replace("\0", "")
    if isinstance(value, dict):
        entries = cast("dict[str, object]", value)
        return {key: _storable(item) for key, item in entries.items()}
    if isinstance(value, list | tuple):
        return [_storable(item) for item in cast("list[object]", value)]
    return value
