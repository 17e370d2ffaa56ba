"""What clients do in the fault tests, one play for every kind of run.

`points` of a play are what its workers pass when nothing goes wrong: a change of the main path
shows here.
"""

from __future__ import annotations

from support.fault_bench import Play

CLAIM = "before_claim after_claim"
STEP = "before_model in_reply after_reply before_commit after_commit"
# Calls that were approved, or that the caller has run: no model is asked.
OPEN_CALLS = "before_commit after_commit"
# One call with an effect outside of the database, of a reply that is committed.
TOOL = "before_tool after_tool before_commit after_commit"
BELL = "before_bell after_bell"
IDLE = "before_claim"
FACTS_READ = "before_facts after_facts"
COMPACTION = "before_compaction after_compaction"
ADVANCE = f"{CLAIM} {STEP}"
# Behind a reply that edits a block which somebody else has edited meanwhile (test_conflicts).
CONFLICT = "before_commit after_commit before_commit blocks_locked after_commit"
LONG = "Nothing else happens in this sentence. " * 60
# What the model says to Ana, and again when it is asked what there is to know of her.
FACTS = (
    '{"facts": [{"text": "Ana lives in Lisbon.", "kind": "profile", "entities": ["Ana"],'
    ' "sources": ["m1"], "subject": "Ana", "attribute": "home"}]}'
)

PLAYS = (
    Play(
        "plain",
        ({"do": "start", "text": "hi [[script: say hello]]"},),
        f"{CLAIM} {STEP}",
    ),
    Play(
        "streamed",
        ({"do": "start", "stream": True, "text": "hi [[script: say one two three]]"},),
        f"{CLAIM} {STEP}",
    ),
    Play(
        "memory edit",
        (
            {
                "do": "start",
                "text": 'I am Ada [[script: call memory_insert {"label":"human",'
                '"new_string":"Ada"}]] [[then: say noted]]',
            },
        ),
        f"{CLAIM} {STEP} {STEP}",
    ),
    Play(
        "archival memory",
        (
            {
                "do": "start",
                "text": 'keep it [[script: call archival_memory_insert {"content":"tea"}]]'
                ' [[then: call archival_memory_search {"query":"tea"}]] [[then: say kept]]',
            },
        ),
        f"{CLAIM} {STEP} {STEP} {STEP}",
        tools=("archival_memory_insert", "archival_memory_search"),
    ),
    Play(
        "many steps and calls",
        (
            {
                "do": "start",
                "text": 'go [[script: call memory_insert {"label":"human","new_string":"1"}]]'
                ' [[and: call memory_insert {"label":"human","new_string":"2"}]]'
                ' [[then: call memory_insert {"label":"nobody","new_string":"3"}]]'
                ' [[then: call memory_insert {"label":"human","new_string":"4"}]]'
                " [[then: say done]]",
            },
        ),
        f"{CLAIM} {STEP} {STEP} {STEP} {STEP}",
    ),
    Play(
        "shared block",
        tuple(
            {
                "do": "enqueue",
                "who": who,
                "text": 'note [[script: call memory_insert {"label":"team",'
                f'"new_string":"by {who}"}}]] [[then: say noted]]',
            }
            for who in (0, 1)
        ),
        f"{BELL} {ADVANCE} {BELL} {ADVANCE} {BELL} {ADVANCE} {BELL} {ADVANCE}",
    ),
    Play(
        "queued behind each other",
        tuple(
            {
                "do": "enqueue",
                "rest": number == 3,
                "text": f'{number} [[script: call memory_insert {{"label":"human",'
                f'"new_string":"{number}"}}]] [[then: say {number}]]',
            }
            for number in (1, 2, 3)
        ),
        f"{BELL} {BELL} {BELL} {ADVANCE} {BELL} {ADVANCE} {BELL} {ADVANCE} {BELL}"
        f" {ADVANCE} {BELL} {ADVANCE} {BELL} {ADVANCE} {IDLE} {IDLE}",
    ),
    Play(
        "handed over",
        (
            {
                "do": "start",
                "deadline_s": 60,
                "text": 'go [[script: call memory_insert {"label":"human","new_string":"1"}]]'
                ' [[then: call memory_insert {"label":"human","new_string":"2"}]]'
                " [[then: say done]]",
            },
        ),
        f"{CLAIM} {STEP} {BELL} {ADVANCE} {BELL} {ADVANCE}",
    ),
    Play(
        "approval",
        (
            {
                "do": "start",
                "text": 'go [[script: call memory_insert {"label":"human","new_string":"1"}]]'
                ' [[and: call memory_insert {"label":"human","new_string":"2"}]]'
                " [[then: say done]]",
            },
            {"do": "start", "approve": [True, False]},
        ),
        f"{CLAIM} {STEP} {CLAIM} {OPEN_CALLS} {STEP}",
        columns={"tool_rules": [{"type": "requires_approval", "tool_name": "memory_insert"}]},
    ),
    Play(
        "client-side tool",
        (
            {
                "do": "start",
                "phone": True,
                "text": "where am I? [[script: call ask_phone {}]] [[then: say in Rome]]",
            },
            {"do": "enqueue", "returns": ["in Rome"], "phone": True},
        ),
        f"{CLAIM} {STEP} {BELL} {ADVANCE}",
    ),
    Play(
        "custom tools",
        (
            {
                "do": "start",
                "text": 'go [[script: call send_mail {"to":"ann"}]]'
                ' [[and: call memory_insert {"label":"human","new_string":"wrote to ann"}]]'
                ' [[and: call send_mail {"to":"ben"}]] [[then: say sent]]',
            },
        ),
        f"{CLAIM} {STEP} {TOOL} {TOOL} {STEP}",
        tools=("memory_insert", "send_mail"),
    ),
    Play(
        "callback",
        (
            {
                "do": "enqueue",
                "text": "tell me when you are done [[script: say done]]",
                "callback": "https://caller.example/done",
            },
        ),
        f"{BELL} {ADVANCE} before_callback after_callback",
    ),
    Play(
        "full window",
        tuple(
            {"do": "start", "text": f"{3 * LONG} [[script: say {number}]]"} for number in range(3)
        ),
        # the summaries that were made without a model are written anew by the sweep
        " ".join(f"{CLAIM} {STEP}" for _ in range(3)) + f" {COMPACTION}",
        columns={"context_window_limit": 4_000},
    ),
    Play(
        "compaction",
        tuple(
            {"do": "start", "text": f"{4 * LONG} [[script: say {number}]]"} for number in range(2)
        ),
        f"{CLAIM} {STEP} {CLAIM} {STEP} {COMPACTION}",
        columns={"context_window_limit": 6_000},
        share=0.5,
    ),
    Play(
        "facts",
        (
            {
                "do": "start",
                "text": f"I am Ana, I live in Lisbon. [[script: say {FACTS}]] {3 * LONG}",
            },
            {"do": "start", "text": f"[[script: say well]] {4 * LONG}"},
        ),
        f"{CLAIM} {STEP} {CLAIM} {STEP} {COMPACTION} {FACTS_READ} {FACTS_READ}",
        columns={
            "context_window_limit": 6_000,
            "compaction_settings": {"archive_facts": True},
        },
        share=0.5,
    ),
)
