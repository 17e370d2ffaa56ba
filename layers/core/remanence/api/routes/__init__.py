"""The routes, one module per resource; a path is served by the first router that has it."""

from fastapi import APIRouter

from remanence.api.routes import (
    agent_blocks,
    agent_files,
    agent_tools,
    agents,
    all_messages,
    archival,
    archives,
    blocks,
    context,
    conversation_messages,
    conversation_runs,
    conversations,
    health,
    messages,
    models,
    passages,
    runs,
    steps,
    tags,
    tools,
    traces,
    unserved,
)

ROUTERS: tuple[APIRouter, ...] = (
    health.router,
    agent_files.router,
    agents.router,
    agent_blocks.router,
    agent_tools.router,
    messages.router,
    all_messages.router,
    context.router,
    conversations.router,
    conversation_messages.router,
    conversation_runs.router,
    archival.router,
    archives.router,
    passages.router,
    runs.router,
    steps.router,
    traces.router,
    blocks.router,
    tools.router,
    tags.router,
    models.router,
    unserved.router,  # always the last
)
