"""Omega's service of workflows: one durable consumer brings the starts and wake-ups of all of them."""

import logging

from bus.network import Network
from bus.subjects import WORKFLOW_TYPE
from bus.task import Outcome, Service, Task, TaskError
from clones.omega.workflows.driver import Driver
from clones.omega.workflows.giving_up import ENDINGS, GivingUp
from clones.omega.workflows.means import Books, Means
from clones.omega.workflows.observer import WorkflowObserver
from clones.omega.workflows.waiting_words import not_from_omega
from clones.omega.workflows.wake_ups import may_go_on
from schemas import Backoff, ErrorCode, SchemaError

ATTEMPT_TIMEOUT_S = 365 * 24 * 3600.0
"""What one Omega may drive a run for; how long a run may take its definition and its start say."""
RETRIES = 200
"""A run whose Omega died is taken up by another one, which counts twice; whenever it only waits, those before are forgotten."""
BACKOFF = Backoff()
WORKFLOWS_AT_ONCE = 96
"""In one Omega, fewer than it has slots: what workflows wait for may itself wait for a command, and that needs one."""

log = logging.getLogger(__name__)


def service(network: Network, books: Books, means: Means, observer: WorkflowObserver, giving_up: GivingUp) -> Service:
    """Return what a worker of Omega needs to run workflows."""

    async def drive(task: Task) -> Outcome:
        start = task.start
        if start is None:
            raise TaskError(ErrorCode.INVALID_ASSIGNMENT, f"{task.subject} starts no workflow")
        observer.taken_up()
        try:
            if task.given_up:
                return await giving_up.end(task, lambda: Driver(task, start, books, means).run())
            return await Driver(task, start, books, means).run()
        finally:
            observer.left()

    async def admits(run_id: str, sequence: int, mark: str) -> bool:
        try:
            history = await books.histories.read(run_id)
        except SchemaError:
            return True  # an Omega of the version that has written it may tell
        if not history or await may_go_on(network, history, run_id, sequence, mark):
            return True
        log.warning("%s", not_from_omega(run_id, sequence))
        return False

    return Service(
        task_type=WORKFLOW_TYPE,
        handler=drive,
        admits=admits,
        consumers={network.subjects.workflows_consumer: 1},
        concurrency=WORKFLOWS_AT_ONCE,
        timeout_s=ATTEMPT_TIMEOUT_S,
        retries=RETRIES,
        endings=ENDINGS,
        backoff=BACKOFF,
        fenced=True,
    )
