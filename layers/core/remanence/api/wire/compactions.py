"""A compaction within a run, as the messages that tell of it to callers who asked for them.

Path: core.events.StepStored -> wire/sight.py -> here. Such messages are in no history: what they
say is in the summaries of the conversation.
"""

from remanence.api.wire.messages import Head, WireMessage
from remanence.core.events import StepStored

# Why a step compacts: what it had to send did not fit. The schedule does so outside of any run.
TRIGGER = "context_window_exceeded"


def compaction_to_wire(event: StepStored, run_id: str | None) -> list[WireMessage]:
    """An event message and a summary message, in the order in which things happened."""
    if event.compaction is None or not event.messages:
        return []
    summary, first = event.compaction.summary, event.messages[0]
    next_seq = first.seq or summary.to_seq + 1
    stats = {
        "trigger": TRIGGER,
        "context_window": event.compaction.context_window,
        "messages_count_before": next_seq - summary.from_seq,
        "messages_count_after": next_seq - summary.to_seq - 1,
        "context_tokens_before": None,
        "context_tokens_after": None,
    }
    told, replaced = (
        Head(
            id=summary.id,
            date=summary.created_at,
            index=index,
            step_id=event.step_id,
            run_id=run_id,
        )
        for index in range(2)
    )
    return [
        told.wire("event_message") | {"event_type": "compaction", "event_data": stats},
        replaced.wire("summary_message") | {"summary": summary.text, "compaction_stats": stats},
    ]
