"""Carrying out a Decision: the run that waits for it is told, once, or the person is told why not."""

from bus.network import Network
from bus.subjects import WORKFLOW_TYPE
from bus.task import Done, Task, TaskError
from clones.omega.submissions import find_open
from clones.omega.wording import how_it_ended, of_task, refused, unknown
from clones.omega.workflows.telling import Run, Telling
from clones.workflows.problems import did_you_mean
from clones.workflows.views import awaited_decisions, finished
from schemas import Decision, DecisionMade, ErrorCode

_VERBS = {"approve": "approved", "reject": "rejected"}


async def decide(network: Network, telling: Telling, command: Task, wanted: Decision) -> Done:
    """Tell a run what a person has decided; carried out again, nothing is done twice.

    `output`: `{"workflow_id", "step", "verdict", "decided_by"}`.

    Raises:
        TaskError: no step of this name waits, or no run of this id.
        SanctuaryError: the network did not answer; trying again repeats nothing.
    """
    if not wanted.decided_by.strip():
        raise TaskError(ErrorCode.INVALID_ASSIGNMENT, "a decision needs the name of who decides - at `$.decided_by`")
    run = await telling.tell(wanted.workflow_id, lambda run: _event(run, command, wanted))
    if run is None:
        raise refused(await _not_begun(network, wanted.workflow_id))
    return Done(
        summary=f"{wanted.step} of {of_task(WORKFLOW_TYPE, run.id)} is {_VERBS[wanted.verdict]} by {wanted.decided_by}",
        output={
            "workflow_id": run.id,
            "step": wanted.step,
            "verdict": wanted.verdict,
            "decided_by": wanted.decided_by,
        },
    )


def _event(run: Run, command: Task, wanted: Decision) -> DecisionMade | None:
    made = [event for event in run.events() if isinstance(event, DecisionMade)]
    if any(event.command == command.sequence for event in made):
        return None
    waiting = [awaited.step for awaited in awaited_decisions(run.definition, run.state)]
    if wanted.step not in waiting:
        raise refused(_why_not(run, wanted.step, made, waiting))
    return DecisionMade(
        step=wanted.step,
        verdict=wanted.verdict,
        decided_by=wanted.decided_by,
        comment=wanted.comment,
        command=command.sequence,
    )


def _why_not(run: Run, step: str, made: list[DecisionMade], waiting: list[str]) -> str:
    of_run = of_task(WORKFLOW_TYPE, run.id)
    earlier = next((event for event in made if event.step == step), None)
    if earlier is not None:
        comment = f": {earlier.comment}" if earlier.comment else ""
        return f"{step} of {of_run} was {_VERBS[earlier.verdict]} already by {earlier.decided_by}{comment}"
    if finished(run.state) is not None:
        return f"{of_run} has ended, and waits for no decision any more"
    others = f"; these wait: {', '.join(waiting)}" if waiting else "; none of its steps waits for one now"
    known = run.definition.steps.get(step)
    if known is None:
        return f"{of_run} has no step {step!r}{did_you_mean(step, run.definition.steps)}{others}"
    if known.decision is None:
        return f"{step} of {of_run} takes no decision{others}"
    return f"{step} of {of_run} does not wait for its decision: it is {run.state.steps[step].state}{others}"


async def _not_begun(network: Network, workflow_id: str) -> str:
    result = await network.results.read(WORKFLOW_TYPE, workflow_id)
    if result is not None:
        return f"{how_it_ended(result)}, and waits for no decision any more"
    if await find_open(network, WORKFLOW_TYPE, workflow_id, None) is not None:
        return f"{of_task(WORKFLOW_TYPE, workflow_id)} has not begun, and none of its steps waits for a decision yet"
    return unknown(WORKFLOW_TYPE, workflow_id)
