from datetime import UTC, datetime, timedelta

import pytest

from remanence import wiring
from remanence.adapter import LAMBDA_CONTEXT
from remanence.api.deadline import MARGIN_S, deadline_in
from remanence.engine.watch import log_step

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def deadline(header: str | None) -> float | None:
    headers = {} if header is None else {LAMBDA_CONTEXT: header}
    return deadline_in(headers, now=lambda: NOW, monotonic=lambda: 1_000.0)


def test_deadline_is_a_margin_before_the_invocation_ends() -> None:
    ends_ms = int((NOW + timedelta(seconds=60)).timestamp() * 1000)

    assert deadline(f'{{"deadline": {ends_ms}, "request_id": "r"}}') == 1_060.0 - MARGIN_S


@pytest.mark.parametrize("header", [None, "", "no json", "[]", "{}", '{"deadline": "soon"}', "7"])
def test_no_deadline_is_read_from_anything_else(header: str | None) -> None:
    assert deadline(header) is None


@pytest.mark.parametrize(
    ("variables", "trusted"),
    [
        (("AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_EXEC_WRAPPER"), True),
        (("AWS_LAMBDA_FUNCTION_NAME",), False),
        (("AWS_LAMBDA_EXEC_WRAPPER", "AWS_LWA_PORT"), False),
        ((), False),
    ],
)
def test_context_of_lambda_is_believed_behind_the_adapter_only(
    monkeypatch: pytest.MonkeyPatch, variables: tuple[str, ...], trusted: bool
) -> None:
    monkeypatch.setenv("REMANENCE_PG_URI", "postgresql://nobody@127.0.0.1:9/none")
    for variable in variables:
        monkeypatch.setenv(variable, "anything")
    wiring._rotating.cache_clear()
    try:
        app = wiring.lambda_chat_app(log_step)._current()
    finally:
        wiring._rotating.cache_clear()

    assert app.state.deps.trusts_lambda_context is trusted
    assert app.state.deps.calls_private_addresses is False
