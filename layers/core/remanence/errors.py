"""Every error this project raises on purpose, as one tree.

AppError
├─ InvalidRequest            422   the caller's fault; `field` named
├─ NotAuthenticated          401
├─ NotFound                  404   kind + id
├─ RunGone                   410   the run is known, and its messages were deleted
├─ Conflict                  409
│  ├─ AgentBusy              409   another run holds the conversation; run_id, retry_after_s
│  ├─ NotReplayable          409   a past request cannot be compiled again; step_id
│  ├─ PendingApproval        409   tool calls wait for an answer; pending_request_id
│  ├─ EditConflict           409   an edit of what others have edited too; yours and current
│  │  └─ PreconditionFailed  412   not the version that If-Match names
│  └─ LeaseLost              -     internal: this worker stops quietly, nothing was written
├─ LimitExceeded             422   block, payload or window sizes; limit and actual
│  ├─ BodyTooLarge           413   the request itself
│  └─ ContextOverflow        -     what must stay in the window does not fit it
├─ CapReached                402   a call that could pass a cap on tokens or dollars
├─ ProviderError             502
│  ├─ ProviderRateLimited    429   retry_after_s
│  ├─ ProviderQuota          402   the account has no credit left
│  ├─ ProviderOverloaded     503
│  ├─ ProviderTimeout        504
│  ├─ ProviderRefusedKey     401
│  ├─ ProviderFiltered       400   its content filter refused the prompt or stopped the answer
│  ├─ ProviderRejected       400   a 4xx about our request
│  │  └─ ProviderTooLong     400   the prompt is longer than the model takes
│  └─ ProviderBadReply       502   unparsable or cut off
│     ├─ ProviderEmptyReply  502   neither text nor a tool call
│     └─ ProviderBadCalls    502   tool calls that stay broken, whatever the model is told
├─ StoreError                503
│  ├─ StoreUnavailable       503   no connection
│  ├─ StoreRefused           500   what was to be written is refused
│  ├─ SchemaMismatch         500   found and expected migration
│  │  └─ SchemaNewer         500   a newer version has migrated the database since
│  └─ DatabaseUnfit          -     at start: too old, no pgvector, no right, wrong kind of URI
├─ SealBroken                500   a stored secret does not open with the keys of this deployment
├─ NotSupported              501   a part of the protocol that is not served (a retry will not help)
└─ SettingsError             -     at start; lists every bad variable at once

`api/errors.py` is the only place that turns these into HTTP answers.
"""

from __future__ import annotations

from typing import Any, ClassVar


class AppError(Exception):
    """Root of the tree.

    `code` is the stable slug on the wire and in logs (the retired server's, where it had one),
    `http_status` what HTTP callers get, `retryable` whether the same call may succeed later.
    """

    code: ClassVar[str] = "internal_error"
    http_status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidRequest(AppError):
    """The request cannot be served as it is; `field` says which part and the message what to do."""

    code = "invalid_request"
    http_status = 422

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class NotAuthenticated(AppError):
    """No bearer token, or a wrong one."""

    code = "not_authenticated"
    http_status = 401


class NotFound(AppError):
    """No such thing in the caller's organization."""

    code = "not_found"
    http_status = 404

    def __init__(self, kind: str, wanted_id: str, *, hint: str = "") -> None:
        super().__init__(f"{kind} {wanted_id!r} does not exist{hint and '; '}{hint}")
        self.kind = kind
        self.wanted_id = wanted_id


class RunGone(AppError):
    """The run is known, and its messages were deleted: what it said cannot be read any more."""

    code = "run_gone"
    http_status = 410

    def __init__(self, run_id: str) -> None:
        super().__init__(f"the messages of run {run_id!r} were deleted: it cannot be read again")
        self.run_id = run_id


class Conflict(AppError):
    """The request contradicts what is stored."""

    code = "conflict"
    http_status = 409


class AgentBusy(Conflict):
    """Another run holds the conversation and did not finish within the time a caller may wait.

    `run_id` None: no run does, but it is being compacted, or its window moved meanwhile.
    """

    code = "agent_busy"
    retryable = True

    def __init__(
        self, conversation_id: str, run_id: str | None = None, *, retry_after_s: int = 1
    ) -> None:
        what = "a compaction, or was written to meanwhile" if run_id is None else f"run {run_id!r}"
        super().__init__(
            f"conversation {conversation_id!r} is busy with {what}; "
            "nothing of this request was stored, send it again later"
        )
        self.conversation_id = conversation_id
        self.run_id = run_id
        self.retry_after_s = retry_after_s


class NotReplayable(Conflict):
    """The request of a past step cannot be compiled again; `reason` says what is missing."""

    code = "not_replayable"

    def __init__(self, step_id: str, reason: str) -> None:
        super().__init__(f"step {step_id!r} cannot be replayed: {reason}")
        self.step_id = step_id
        self.reason = reason


class PendingApproval(Conflict):
    """Tool calls of this conversation wait for an approval, and the request is not an answer."""

    code = "PENDING_APPROVAL"

    def __init__(self, pending_request_id: str, tool_call_ids: list[str]) -> None:
        super().__init__(
            "the agent waits for an approval: answer the tool calls "
            f"{', '.join(tool_call_ids)} of message {pending_request_id!r} first, or cancel them"
        )
        self.pending_request_id = pending_request_id
        self.tool_call_ids = tuple(tool_call_ids)


class EditConflict(Conflict):
    """Others changed the same: nothing was written, and both sides are shown.

    `yours` and `current` are what the request would have made of it and what it is now (None: it
    does not exist), `version` is the current one.
    """

    code = "edit_conflict"

    def __init__(
        self,
        message: str,
        *,
        yours: dict[str, Any] | None,
        current: dict[str, Any] | None,
        version: int,
    ) -> None:
        super().__init__(message)
        self.yours = yours
        self.current = current
        self.version = version


class PreconditionFailed(EditConflict):
    """It is no longer the version that the request names in If-Match."""

    code = "precondition_failed"
    http_status = 412


class LeaseLost(Conflict):
    """The fence moved on: another worker owns the conversation now, and nothing was written."""

    code = "lease_lost"

    def __init__(self, conversation_id: str, run_id: str) -> None:
        super().__init__(f"the lease on {conversation_id!r} for run {run_id!r} was lost")
        self.conversation_id = conversation_id
        self.run_id = run_id


class LimitExceeded(AppError):
    """Something is larger than it may be."""

    code = "limit_exceeded"
    http_status = 422

    def __init__(self, what: str, *, limit: int, actual: int, unit: str) -> None:
        super().__init__(f"{what} is {actual} {unit}, and may be at most {limit} {unit}")
        self.what = what
        self.limit = limit
        self.actual = actual


class BodyTooLarge(LimitExceeded):
    """The body of the request is larger than the server takes."""

    code = "body_too_large"
    http_status = 413


class ContextOverflow(LimitExceeded):
    """The parts of the context that may not be evicted are larger than the context window."""

    code = "context_window_overflow_in_system_prompt"


class CapReached(AppError):
    """A model call could pass a cap on tokens or dollars: it was not made."""

    code = "insufficient_credits"
    http_status = 402


class ProviderError(AppError):
    """A model provider failed. The message never holds a key or the prompt."""

    code = "llm_error"
    http_status = 502
    retryable = True


class ProviderRateLimited(ProviderError):
    """The provider asks to slow down."""

    code = "llm_rate_limit"
    http_status = 429

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ProviderQuota(ProviderError):
    """The provider account is out of credit: waiting does not help."""

    code = "llm_insufficient_credits"
    http_status = 402
    retryable = False


class ProviderOverloaded(ProviderError):
    """The provider answers 5xx, or could not be reached."""

    code = "llm_overloaded"
    http_status = 503


class ProviderTimeout(ProviderError):
    """No answer within the time this step has."""

    code = "llm_timeout"
    http_status = 504


class ProviderRefusedKey(ProviderError):
    """The provider refuses the configured key."""

    code = "llm_authentication"
    http_status = 401
    retryable = False


class ProviderFiltered(ProviderError):
    """The provider's content filter refused the prompt, or stopped the answer."""

    code = "llm_content_filter"
    http_status = 400
    retryable = False


class ProviderRejected(ProviderError):
    """The provider calls our request wrong: another try would be refused too.

    `about` holds the machine-readable words of its answer: codes, and the parameter in question.
    """

    code = "llm_bad_request"
    http_status = 400
    retryable = False

    def __init__(self, message: str, *, about: frozenset[str] = frozenset()) -> None:
        super().__init__(message)
        self.about = about


class ProviderTooLong(ProviderRejected):
    """The provider counts more prompt tokens than the model takes."""

    code = "llm_context_window_exceeded"


class ProviderBadReply(ProviderError):
    """The reply cannot be read: not JSON, or cut off in the middle."""

    code = "llm_bad_reply"


class ProviderEmptyReply(ProviderBadReply):
    """The reply holds neither text nor a tool call."""

    code = "llm_empty_response"


class ProviderBadCalls(ProviderBadReply):
    """The model goes on making tool calls that cannot be run, whatever it is told."""

    code = "llm_bad_tool_calls"
    retryable = False


class StoreError(AppError):
    """The database refused or failed."""

    code = "store_error"
    http_status = 503
    retryable = True


class StoreUnavailable(StoreError):
    """The database cannot be reached."""

    code = "store_unavailable"


class StoreRefused(StoreError):
    """The database refuses what was to be written: the same again would be refused again."""

    code = "store_refused"
    http_status = 500
    retryable = False


class SchemaMismatch(StoreError):
    """The database holds another schema version than this code was written for."""

    code = "schema_mismatch"
    http_status = 500
    retryable = False


class SchemaNewer(SchemaMismatch):
    """The database holds all that this code was written for, and migrations of a newer version."""


class DatabaseUnfit(StoreError):
    """The database cannot hold our schema as it is; the message names the remedy."""

    code = "database_unfit"
    http_status = 500
    retryable = False


class SealBroken(AppError):
    """What was sealed does not open: another key, another place, or changed; nothing is shown."""

    code = "seal_broken"


class NotSupported(AppError):
    """A part of the protocol that this server does not serve."""

    code = "not_supported"
    http_status = 501


class SettingsError(AppError):
    """One or more settings are missing or wrong; the message lists all of them."""

    code = "settings_error"

    def __init__(self, problems: list[str]) -> None:
        super().__init__("settings are not usable:\n" + "\n".join(f"  - {p}" for p in problems))
        self.problems = tuple(problems)
