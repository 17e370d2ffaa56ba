"""Following a run that was begun by another request, from the place where its client stopped.

Path: routes/runs.py, routes/conversation_runs.py -> resumed -> engine.follow -> wire/stream.py.
"""

from fastapi.responses import Response
from pydantic import BaseModel, Field

from remanence.api.answering import as_stream, with_first
from remanence.api.deps import Call
from remanence.api.wire.inputs import speech_of
from remanence.api.wire.messages import View
from remanence.api.wire.places import MAX_PLACE, messages_after
from remanence.api.wire.stream import StreamOptions
from remanence.core.events import RunStarted
from remanence.core.types import RunOptions
from remanence.engine.follow import POLL_S

# A caller may look more or less often, within what the database and a reader bear.
SHORTEST_POLL_S = 0.05
LONGEST_POLL_S = 10.0


class ResumeRequest(BaseModel):
    """From where to follow a run, and how."""

    starting_after: int = Field(
        default=0,
        ge=0,
        le=MAX_PLACE,
        description="The seq_id of what was seen last; 0: from the beginning.",
    )
    poll_interval: float | None = Field(
        default=None, ge=0, description="Seconds between two looks for something new."
    )
    batch_size: int | None = Field(
        default=None, description="Without effect: a look finds everything."
    )
    include_pings: bool | None = Field(default=None, description="False: comments instead.")


def resumed(run_id: str, body: ResumeRequest, call: Call) -> Response:
    """The rest of a run as server-sent events, shown as its own request asked for.

    Raises:
        NotFound: no such run.
        RunGone: its messages were deleted.
    """
    deps = call.deps
    wanted_s = POLL_S if body.poll_interval is None else body.poll_interval
    first, events = with_first(
        deps.engine.follow(
            call.org_id,
            run_id,
            after_seq=messages_after(body.starting_after),
            poll_s=min(max(wanted_s, SHORTEST_POLL_S), LONGEST_POLL_S),
            deadline=call.deadline,
        )
    )
    options = StreamOptions(
        view=_view(first.options if isinstance(first, RunStarted) else RunOptions()),
        tokens=False,
        pings=body.include_pings is not False,
        now=deps.now,
        new_id=deps.new_id,
        after=body.starting_after,
    )
    return as_stream(events, options)


def _view(options: RunOptions) -> View:
    kinds = options.include_return_message_types
    return View(
        speech=speech_of(options.use_assistant_message, "send_message", "message"),
        message_types=None if kinds is None else frozenset(kinds),
        compactions=options.include_compaction_messages,
    )
