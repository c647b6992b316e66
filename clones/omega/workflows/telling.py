"""Telling a run something from outside: a person's decision, or that it is to end.

What is told is appended to the run's history, by whichever Omega; then its driver is nudged to read it, and where nobody drives
the run it is woken. Each step may be done again: whoever tells finds in the history what was told before.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

from bus.errors import NoResponders, RequestTimeout
from bus.histories import Written
from bus.identity import Identity
from bus.network import Network
from clones.omega.clock import Clock
from clones.omega.workflows.beginning import whole
from clones.omega.workflows.ports import Definitions, Histories
from clones.omega.workflows.waking import Waker
from clones.workflows.advance import replay
from clones.workflows.state import State
from schemas import SchemaError, WorkflowDefinition, WorkflowEntry, WorkflowEvent

NUDGE_S = 1.0
"""How long a driver may take to say that it has heard."""


class Run(NamedTuple):
    """A run as its history has it."""

    id: str
    definition: WorkflowDefinition
    """The version that it keeps."""
    state: State
    history: list[Written]

    def events(self) -> Iterator[WorkflowEvent]:
        """Yield what happened to it."""
        for written in self.history:
            yield from written.entry.events


Judge = Callable[[Run], WorkflowEvent | None]
"""Returns what a run is to be told as it stands; None: nothing any more. Raises where it may not be told."""


class Telling:
    """Tells runs for one Omega.

    All methods raise SanctuaryError, or SchemaError where a history or its definition is of a later version.
    """

    def __init__(
        self,
        network: Network,
        identity: Identity,
        waker: Waker,
        clock: Clock,
        *,
        histories: Histories,
        definitions: Definitions,
    ) -> None:
        self._network = network
        self._identity = identity
        self._histories = histories
        self._definitions = definitions
        self._waker = waker
        self._clock = clock

    async def run(self, workflow_id: str) -> Run | None:
        """Return a run, or None where none of this id has begun."""
        history = await self._histories.read(workflow_id)
        if not history:
            return None
        first = history[0].entry
        workflow = await self._definitions.version(first.workflow, first.version)
        if workflow is None:
            raise SchemaError(
                f"version {first.version} of the workflow {first.workflow}, which {workflow_id} runs by, is not there "
                "or cannot be read here"
            )
        whole(workflow)
        state = replay(workflow.definition, workflow_id, (written.entry for written in history))
        if state is None:
            raise SchemaError(f"the history of {workflow_id} does not begin with its beginning")
        return Run(workflow_id, workflow.definition, state, history)

    async def tell(self, workflow_id: str, judge: Judge) -> Run | None:
        """Tell a run what `judge` says, and return it as it was judged; None where none of this id has begun."""
        while True:
            run = await self.run(workflow_id)
            if run is None:
                return None
            event = judge(run)
            if event is None or await self._append(run, event):
                await self._nudge(workflow_id)
                return run

    async def _append(self, run: Run, event: WorkflowEvent) -> bool:
        last = run.history[-1]
        entry = WorkflowEntry(
            workflow_id=run.id,
            workflow=last.entry.workflow,
            version=last.entry.version,
            at=self._clock.now(),
            instance=self._identity.instance,
            activation=last.entry.activation,
            events=(event,),
        )
        return await self._histories.append(entry, last=last.sequence) is not None

    async def _nudge(self, workflow_id: str) -> None:
        """See to it that what stands in the history is read."""
        with contextlib.suppress(NoResponders, RequestTimeout):
            await self._network.requester.request(self._network.subjects.nudge(workflow_id), timeout_s=NUDGE_S)
        # Whatever was answered: it may have been by an Omega that has lost the run and does not know it yet.
        await self._waker.wake(workflow_id)
