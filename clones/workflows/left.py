"""What is left of a run that nobody drives to the end that its definition provides for. Pure."""

from msgspec.structs import replace

from clones.workflows.state import State
from clones.workflows.views import lines
from schemas import StepLine, WorkflowDefinition

CUT = "the run was ended from outside"


def not_undone(state: State) -> tuple[str, ...]:
    """Return the steps that are done, have a compensation, and are not undone, in the order in which they were done."""
    return tuple(
        name
        for name in state.done
        if any(part.state == "completed" and part.undoing != "done" for part in state.steps[name].parts)
    )


def cut_lines(definition: WorkflowDefinition, state: State) -> tuple[StepLine, ...]:
    """Return how each step stands once what ran or waited is cancelled and nothing begins any more."""
    return tuple(_cut(line) for line in lines(definition, state))


def _cut(line: StepLine) -> StepLine:
    match line.state:
        case "running" | "waiting":
            return replace(line, state="cancelled", message=CUT)
        case "pending":
            return replace(line, state="skipped", message=f"not begun: {CUT}")
    return line
