"""The rows every organization starts with: the built-in tools.

Path: `remanence migrate` -> migrate -> seed, with the owner's connection. Repeatable: a second
time it changes nothing, and with a newer version only what that version describes differently.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from remanence.core.builtin import BUILTIN_TOOLS, DEFAULT_RETURN_CHAR_LIMIT
from remanence.db.queries import sql

if TYPE_CHECKING:
    from remanence.db.connect import Connection


def seed(conn: Connection) -> int:
    """Give every organization the built-in tools, as this version has them.

    Args:
        conn: of the schema's owner, whom row-level security does not bind.

    Returns:
        How many rows were made or changed.
    """
    tools = [
        {
            "name": tool.name,
            "description": tool.spec.description,
            "tool_type": tool.tool_type,
            "parameters": tool.spec.parameters,
            "return_char_limit": DEFAULT_RETURN_CHAR_LIMIT,
            "tags": [tool.tool_type],
        }
        for tool in BUILTIN_TOOLS.values()
    ]
    return len(conn.execute(sql("seed_tools"), {"tools": json.dumps(tools)}).fetchall())
