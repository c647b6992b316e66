"""What tasks that were done found to be wrong with their target."""

from collections.abc import Iterable

from bus.network import Network
from schemas import StepEnded, TaskCompletion

TESTS = "testing"


def is_flawed(result: TaskCompletion) -> bool:
    """Tell whether the task was done and yet not all is well with its target: tests failed, or not all of them ran."""
    if result.task_type != TESTS or not isinstance(result.output, dict):
        return False
    left_out = result.output.get("not_analysed") or ()
    data = result.output.get("data") or {}  # large data travel as an artifact
    counts = data.get("counts") or {}
    return any(each.get("subject") == "tests" for each in left_out) or bool(
        counts.get("failed") or counts.get("errors")
    )


async def flawed_steps(network: Network, ended: Iterable[StepEnded]) -> set[str]:
    """Return the steps whose tasks were done and found a flaw; a run's history alone does not hold all of their output.

    Raises:
        SanctuaryError: a result could not be read.
    """
    found: set[str] = set()
    for event in ended:
        if event.state == "completed" and event.task_type == TESTS and not event.compensation:
            result = await network.results.read(event.task_type, event.task_id)
            if isinstance(result, TaskCompletion) and is_flawed(result):
                found.add(event.step)
    return found
