from datetime import UTC, datetime, timedelta

import pytest

from remanence import wiring
from remanence.api.deadline import HEADER, MARGIN_S, deadline_in
from remanence.engine.watch import log_step

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def deadline(header: str | None) -> float | None:
    headers = {} if header is None else {HEADER: header}
    return deadline_in(headers, now=lambda: NOW, monotonic=lambda: 1_000.0)


def test_deadline_is_a_margin_before_the_invocation_ends() -> None:
    ends_ms = int((NOW + timedelta(seconds=60)).timestamp() * 1000)

    assert deadline(f'{{"deadline": {ends_ms}, "request_id": "r"}}') == 1_060.0 - MARGIN_S


@pytest.mark.parametrize("header", [None, "", "no json", "[]", "{}", '{"deadline": "soon"}', "7"])
def test_no_deadline_is_read_from_anything_else(header: str | None) -> None:
    assert deadline(header) is None


@pytest.mark.parametrize(("variable", "trusted"), [("AWS_LWA_PORT", True), ("OTHER", False)])
def test_context_of_lambda_is_believed_behind_the_adapter_only(
    monkeypatch: pytest.MonkeyPatch, variable: str, trusted: bool
) -> None:
    monkeypatch.setenv("REMANENCE_PG_URI", "postgresql://nobody@127.0.0.1:9/none")
    monkeypatch.setenv(variable, "8080")
    wiring._rotating.cache_clear()
    try:
        app = wiring.lambda_chat_app(log_step)._current()
    finally:
        wiring._rotating.cache_clear()

    assert app.state.deps.trusts_lambda_context is trusted
    assert app.state.deps.calls_private_addresses is False
