"""Waiting until what was driven once more has ended, with people's decisions given as they were recorded."""

import asyncio
from collections.abc import Callable, Sequence

from bus.definitions import Definitions
from bus.errors import SanctuaryError
from bus.network import Network
from bus.subjects import WORKFLOW_TYPE
from clones.omega.once import store_command
from ops.replaying.driving import Driven
from ops.replaying.plan import Planned
from ops.replaying.sides import Side
from ops.workflows import find_run
from schemas import Decision, DecisionMade

LOOK_EVERY_S = 0.5
AT_ONCE = 2048
"""So many of those that are waited for are looked at in one round; they take turns."""
GIVEN_AGAIN_S = 30.0
"""A decision that has not been taken by then is given once more."""


async def ended(
    before: Side,
    after: Side,
    plans: Sequence[Planned],
    driven: Driven,
    *,
    wait_s: float,
    progress: Callable[[int], None],
) -> None:
    """Return once all that has a recorded outcome has one now, or when nothing has ended for `wait_s` seconds.

    `progress` hears how many are left.

    Raises:
        SanctuaryError: one of the sides could not be read.
    """
    clock = asyncio.get_running_loop().time
    decisions = Decisions(before, after)
    recorded = await before.had_ended([plan.key for plan in plans])
    left = {(plan.task_type, driven.id_of(plan)): plan for plan in plans if plan.key in recorded}
    last, turn = clock(), 0
    while left and clock() - last < wait_s:
        keys = list(left)
        part = [keys[(turn + number) % len(keys)] for number in range(min(AT_ONCE, len(keys)))]
        turn += len(part)
        for key in await after.ended(part):
            del left[key]
            last = clock()
        progress(len(left))
        for key, plan in [(key, left[key]) for key in part if key in left and key[0] == WORKFLOW_TYPE]:
            await decisions.give(plan, key[1])
        if left:
            await asyncio.sleep(LOOK_EVERY_S)


class Decisions:
    """Gives the recorded decisions about runs that wait for them."""

    def __init__(self, before: Side, after: Side) -> None:
        self._before = before
        self._network: Network = after.network
        self._definitions = Definitions(after.network)
        self._recorded: dict[str, dict[str, DecisionMade]] = {}
        self._given_at: dict[tuple[str, str], float] = {}

    async def give(self, plan: Planned, run_id: str) -> None:
        """Give the decisions that a run waits for, where they are recorded.

        Raises:
            SanctuaryError: something could not be read or stored.
        """
        if plan.task_id not in self._recorded:
            self._recorded[plan.task_id] = await self._before.decisions(plan.task_id)
        recorded = self._recorded[plan.task_id]
        if not recorded:
            return
        try:
            run = await find_run(self._network, self._definitions, run_id)
        except SanctuaryError:
            return  # it has not begun
        now = asyncio.get_running_loop().time()
        for awaited in run.awaited:
            made = recorded.get(awaited.step)
            if made is None or now - self._given_at.get((run_id, awaited.step), -GIVEN_AGAIN_S) < GIVEN_AGAIN_S:
                continue
            self._given_at[run_id, awaited.step] = now
            decision = Decision(
                workflow_id=run_id,
                step=awaited.step,
                verdict=made.verdict,
                decided_by=made.decided_by,
                comment=made.comment,
            )
            await store_command(self._network, decision)
