"""`sanctuary decide ID approve|reject`: a person's answer to a run that waits for one."""

from typing import TYPE_CHECKING, Any

import click

from ops.cli.ids import check_id
from ops.cli.options import json_option, run, where_options
from ops.connect import Where
from ops.hints import command_line

if TYPE_CHECKING:
    from bus.network import Network

VERDICTS = ("approve", "reject")


@click.command()
@click.argument("workflow_id", metavar="ID")
@click.argument("words", metavar="[STEP] approve|reject", nargs=-1, required=True)
@click.option(
    "--comment", default="", metavar="TEXT", help="Why; stands in the ledger, and the run's later steps may read it."
)
@click.option("--by", metavar="NAME", help="Who decides; default: this user.")
@click.option("--no-wait", "storing", is_flag=True, help="Store the decision, for whichever Omega runs next.")
@json_option
@where_options
def decide(workflow_id: str, words: tuple[str, ...], **options: Any) -> None:
    """Approve or reject what the run ID waits for. STEP may be left out where one step alone waits."""
    *step, verdict = words
    if len(step) > 1 or verdict not in VERDICTS:
        raise click.UsageError(_misused(words))
    run(_decide(workflow_id, step[0] if step else None, verdict, **options))


def _misused(words: tuple[str, ...]) -> str:
    """Return why these words decide nothing, and how it is said."""
    from clones.workflows.problems import did_you_mean

    how = "sanctuary decide ID [STEP] approve|reject"
    verdict = words[-1]
    if len(words) > 2:
        return f"{' '.join(words)!r} is more than a step and a verdict: {how} (a comment goes with --comment)"
    if words[0] in VERDICTS:
        return f"the verdict comes last: {how}"
    return f"{verdict!r} is neither approve nor reject{did_you_mean(verdict, VERDICTS)}: {how}"


async def _decide(
    workflow_id: str,
    step: str | None,
    verdict: str,
    *,
    comment: str,
    by: str | None,
    storing: bool,
    as_json: bool,
    where: Where,
) -> int:
    from ops.cli.steering import send
    from ops.cli.waiting import show_run
    from ops.commanding import person
    from schemas import Decision

    check_id(workflow_id)
    async with where.open("decide") as network:
        if step is None:
            step = await _only_waiting(network, workflow_id)
        fields: dict[str, Any] = {"step": step, "verdict": verdict, "decided_by": by or person(), "comment": comment}
        command = Decision(workflow_id=workflow_id, **fields)
        return await send(network, command, show_run(workflow_id), as_json=as_json, storing=storing)


async def _only_waiting(network: "Network", workflow_id: str) -> str:
    """Return the one step of a run that waits for a decision.

    Raises:
        SanctuaryError: none waits, or several do, or there is no such run.
    """
    from bus.definitions import Definitions
    from bus.errors import SanctuaryError
    from ops.workflows import find_run

    found = await find_run(network, Definitions(network), workflow_id)
    waiting = [awaited.step for awaited in found.awaited]
    if len(waiting) == 1:
        return waiting[0]
    if waiting:
        raise SanctuaryError(
            f"several steps of {workflow_id} wait for a decision: {', '.join(waiting)}. Name one: "
            f"{command_line('decide', workflow_id, waiting[0], 'approve|reject')}"
        )
    raise SanctuaryError(
        f"no step of {workflow_id} waits for a decision: the run is {found.status}. "
        f"`{command_line('workflow show', workflow_id)}` tells how its steps fare"
    )
