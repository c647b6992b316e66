"""For what a run waits, in words."""

from collections.abc import Sequence
from datetime import datetime

from clones.workflows.views import Awaited


def waits_for_what(decisions: Sequence[Awaited], asked: int, until: datetime | None) -> str:
    """Return it for a run that waits for decisions, for `asked` tasks and sub-workflows, and for a timer."""
    told = []
    if decisions:
        told.append(f"a decision on {', '.join(each.step for each in decisions)}")
    if asked:
        told.append(f"{asked} step{'s' if asked > 1 else ''}")
    if until is not None:
        told.append(f"{until:%Y-%m-%d %H:%M:%S} UTC")
    return f"waits for {', '.join(told)}"
