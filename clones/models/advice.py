"""What a model said about a task's findings, as it stands in the result beside the engine's data. Light: no AutoGen."""

from typing import Any, Literal

import msgspec

Outcome = Literal["given", "nothing_to_ask", "no_time", "over_budget", "timeout", "failed", "unusable"]
"""What became of the question:

`given`: the answer is there. Without one: `nothing_to_ask`, `no_time` (the engine left none of the task's) and `over_budget`
(the day's, or the task's tokens), where no request was made; `timeout`, `failed` (the request) and `unusable` (the answer,
also after a repair).
"""

RequestOutcome = Literal["usable", "unusable", "timeout", "failed"]
"""What became of one request."""


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    """A model's words on a task, or why there are none."""

    model: str
    """As the model's configuration names it."""
    outcome: Outcome
    problem: str = ""
    """Why there are no words; empty when there are."""
    overview: str = ""
    entries: tuple[dict[str, Any], ...] = ()
    """In the model's order. `about` holds what the engine says of the item, copied from the engine's data and not from the
    model's answer; all other values are the model's."""
    not_shown: int = 0
    """Items that the model was not shown, as the prompt would have been too long."""
    requests: int = 0
    prompt_tokens: int = 0
    """As the model's provider counts them; a request that timed out or failed tells none."""
    answer_tokens: int = 0
    cost_usd: float | None = None
    """By the configured prices; None where there are none."""
    took_s: float = 0.0


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One request to a model, as the metrics count it."""

    task_type: str
    model: str
    outcome: RequestOutcome
    prompt_tokens: int
    answer_tokens: int
    cost_usd: float | None
    took_s: float
