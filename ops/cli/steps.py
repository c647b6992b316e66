"""The steps of a run, as a table and as a drawing in text."""

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from clones.workflows.plan import plan
from ops.cli.text import clean, duration, shortened, table
from ops.history_words import of_line
from schemas import StepLine, WorkflowDefinition

if TYPE_CHECKING:
    from rich.table import Table

MAX_WORDS = 120
DEEPEST = 12
"""Levels of indentation in a drawing."""
SIGNS = {
    "pending": "·",
    "running": "▸",
    "waiting": "…",
    "completed": "✓",
    "failed": "✗",
    "skipped": "-",
    "cancelled": "⊘",
}
"""Of a step's state."""


def took_s(line: StepLine, now: datetime) -> float | None:
    """Return how long a step took, or has taken until `now`, in seconds; None: it has not begun."""
    if line.started_at is None:
        return None
    return max(0.0, ((line.finished_at or now) - line.started_at).total_seconds())


def steps_table(lines: Iterable[StepLine], now: datetime) -> "Table":
    """Return a table of steps."""
    rows = [
        (
            line.step,
            line.kind,
            line.state,
            line.clone or "-",
            duration(took_s(line, now)),
            line.task_id or "-",
            shortened(of_line(line), MAX_WORDS),
        )
        for line in lines
    ]
    columns = ("step", "kind", "state", "clone", "took", "id", "what came of it")
    least = ("clone", "kind", "id", "took", "what came of it")
    return table(columns, rows, right=("took",), cut="what came of it", least=least)


def tree(definition: WorkflowDefinition, lines: Iterable[StepLine]) -> str:
    """Draw a workflow as text: each step below those that it comes after, indented by the longest way to it."""
    steps = plan(definition).steps
    depths: dict[str, int] = {}
    waiting = list(steps)
    while waiting:
        rest = []
        for name in waiting:
            before = (*steps[name].needs, *steps[name].catches)
            if all(each in depths for each in before):
                depths[name] = max((depths[each] + 1 for each in before), default=0)
            else:
                rest.append(name)
        waiting = rest
    by_step = {line.step: line for line in lines}
    drawn = [definition.name]
    for name, depth in sorted(depths.items(), key=lambda each: each[1]):
        line = by_step[name]
        parts = [f"{SIGNS[line.state]} {name} ({clean(line.kind)}) {line.state}"]
        if told := of_line(line):
            parts.append(shortened(told, MAX_WORDS))
        if before := (*steps[name].needs, *steps[name].catches):
            parts.append(f"after {', '.join(before)}")
        drawn.append("  " * (min(depth, DEEPEST) + 1) + "  ".join(parts))
    return "\n".join(drawn)
