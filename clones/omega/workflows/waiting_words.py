"""What is told of runs, in words."""

from collections.abc import Sequence
from datetime import datetime

from clones.workflows.views import Awaited


def with_steps(count: int) -> str:
    """Return what is said behind what became of a run: how many of its steps were cancelled with it."""
    return f", with {count} of its steps" if count else ""


def waits_for_what(decisions: Sequence[Awaited], asked: int, until: datetime | None) -> str:
    """Return for what a run waits, one that waits for decisions, for `asked` tasks and sub-workflows, and for a timer."""
    told = []
    if decisions:
        told.append(f"a decision on {', '.join(each.step for each in decisions)}")
    if asked:
        told.append(f"{asked} step{'s' if asked > 1 else ''}")
    if until is not None:
        told.append(f"{until:%Y-%m-%d %H:%M:%S} UTC")
    return f"waits for {', '.join(told)}"


def not_from_omega(workflow_id: str, sequence: int) -> str:
    """Return what the log has of a start that is let go."""
    return (
        f"the ledger's entry {sequence} is let go: it starts the run {workflow_id}, which another start has begun, and Omega "
        "has not stored it"
    )
