"""Paying for model calls: reckoned before, settled after, refused when a cap has no room.

Path: engine.ask -> Tab.open -> ledger.reserve (only for who has caps) -> the model;
engine.settle -> Tab.on: the step is committed with what it cost, and gives back what it reserved.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from remanence.core.exchange import Reply, ToolCallDelta, Usage
from remanence.core.plan import ANSWER_TOKENS_AT_MOST
from remanence.core.spend import (
    LEAST_ANSWER_TOKENS,
    PROMPT_MARGIN,
    Forecast,
    Granted,
    Spend,
    refusal_message,
)
from remanence.core.tokens import FIRST_MARGIN, estimate_request, estimate_text
from remanence.errors import CapReached, StoreError

if TYPE_CHECKING:
    from remanence.core.exchange import Delta, Request
    from remanence.core.step import Outcome
    from remanence.core.types import State
    from remanence.engine.deps import EngineDeps


class Tab:
    """What one step owes. Made with it, written by its model call, read at its commit."""

    def __init__(self) -> None:
        self._forecast: Forecast | None = None
        self.is_reserved = False  # whether something was set aside that has to be given back
        self._heard: list[str] = []
        self._reported: Usage | None = None

    def open(
        self, deps: EngineDeps, state: State, request: Request, *, step_id: str, tokens: int
    ) -> Request:
        """Reckon with a call before it is made.

        Args:
            deps: the world.
            state: whose call it is.
            request: what would be asked.
            step_id: the step that pays.
            tokens: of the prompt, as predicted.

        Returns:
            The request; for who has caps, its answer is bounded by what they leave.

        Raises:
            CapReached: the call could pass a cap; it must not be made.
        """
        forecast = forecast_of(deps, request, tokens)
        self._forecast, self._heard, self._reported = forecast, [], None
        if not (state.agent.caps or state.org_caps):
            return request
        granted = reserve(deps, state, forecast, step_id=step_id)
        self.is_reserved = True
        budget = request.settings.thinking_budget_tokens
        settings = replace(
            request.settings,
            max_output_tokens=granted.answer_tokens,
            thinking_budget_tokens=budget if granted.answer_tokens > (budget or 0) else None,
        )
        return replace(request, settings=settings)

    def hear(self, item: Delta | Reply) -> None:
        """Note what came of the call, in case that nothing more comes."""
        if isinstance(item, Reply):
            self._reported = item.usage
        else:
            self._heard.append(item.arguments if isinstance(item, ToolCallDelta) else item.text)

    @property
    def has_heard(self) -> bool:
        """Whether anything of an answer has come."""
        return bool(self._heard) or self._reported is not None

    def on(self, outcome: Outcome) -> Outcome:
        """The outcome with what the step has to pay for.

        A reply that broke off is paid for by what was heard of it: most providers count it.
        """
        forecast = self._forecast
        if forecast is None:
            return outcome
        usage = outcome.usage if outcome.usage.total_tokens else self._usage(forecast)
        return replace(outcome, usage=usage, spend=self._spend(forecast, usage))

    def paid(self, reply: Reply) -> tuple[Spend, Usage]:
        """What a call has cost that belongs to no step."""
        forecast = self._forecast
        if forecast is None:
            msg = "nothing was asked"
            raise TypeError(msg)
        self._reported = reply.usage
        self._heard.append(reply.text)
        usage = self._usage(forecast)
        return self._spend(forecast, usage), usage

    def _spend(self, forecast: Forecast, usage: Usage) -> Spend:
        return Spend(
            model=forecast.handle,
            predicted_tokens=forecast.prompt_tokens + forecast.answer_tokens,
            predicted_usd_micros=_most(forecast),
            usd_micros=None if forecast.price is None else forecast.price.of(usage),
            is_reserved=self.is_reserved,
        )

    def _usage(self, forecast: Forecast) -> Usage:
        if self._reported is not None:
            return self._reported
        if not self._heard:
            return Usage()
        prompt_tokens = int(forecast.prompt_tokens / PROMPT_MARGIN)
        heard = estimate_text("".join(self._heard))
        return Usage(prompt_tokens=prompt_tokens, completion_tokens=heard)


def asked(deps: EngineDeps, state: State, request: Request, deadline: float) -> Reply | None:
    """The answer to a request that belongs to no step, entered into the ledger.

    Raises:
        CapReached: it could pass a cap of the agent or the organization; it was not made.
        ProviderError: one of its kinds.
        StoreError: the ledger could not be written.
    """
    tab, place = Tab(), deps.new_id("step")
    tokens = round(estimate_request(request) * FIRST_MARGIN)
    request = tab.open(deps, state, request, step_id=place, tokens=tokens)
    reply: Reply | None = None
    try:
        replies = deps.models.call(request, stream=False, deadline=deadline)
        reply = next((item for item in replies if isinstance(item, Reply)), None)
    finally:
        if reply is None and tab.is_reserved:
            with suppress(StoreError):  # then its time runs out
                deps.ledger.release(state.org_id, step_id=place)
    if reply is not None:
        spend, usage = tab.paid(reply)
        deps.ledger.record(state.org_id, spend, usage, agent_id=state.agent.id, step_id=place)
    return reply


def forecast_of(deps: EngineDeps, request: Request, tokens: int) -> Forecast:
    """What a request is reckoned at; `tokens` is the predicted size of its prompt."""
    settings = request.settings
    answer = settings.max_output_tokens or ANSWER_TOKENS_AT_MOST
    return Forecast(
        handle=request.handle,
        prompt_tokens=int(tokens * PROMPT_MARGIN),
        answer_tokens=answer + (settings.thinking_budget_tokens or 0),
        price=deps.models.price(request.handle),
    )


def reserve(deps: EngineDeps, state: State, forecast: Forecast, *, step_id: str) -> Granted:
    """Set aside what a call may cost, until it is settled or its lease is over.

    Raises:
        CapReached: it could pass a cap of its agent or organization.
    """
    answer = deps.ledger.reserve(
        state.org_id,
        forecast,
        agent_id=state.agent.id,
        run_id=state.run.id,
        step_id=step_id,
        least_answer_tokens=min(LEAST_ANSWER_TOKENS, forecast.answer_tokens),
        hold_ms=deps.lease_ms,
    )
    if isinstance(answer, Granted):
        return answer
    raise CapReached(refusal_message(answer, forecast, state.agent.id))


def _most(forecast: Forecast) -> int | None:
    if forecast.price is None:
        return None
    usage = Usage(completion_tokens=forecast.answer_tokens)
    return (forecast.prompt_usd_micros or 0) + forecast.price.of(usage)
