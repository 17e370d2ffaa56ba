"""The routes, one module per resource; a path is served by the first router that has it."""

from fastapi import APIRouter

from remanence.api.routes import health

ROUTERS: tuple[APIRouter, ...] = (health.router,)
