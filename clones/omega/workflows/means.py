"""What runs are driven with, beside their books, and what they ask for."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from bus.identity import Identity
from bus.journal import Journal
from bus.network import Network
from bus.subjects import WORKFLOW_TYPE, Subjects
from clones.omega.clock import Clock
from clones.omega.workflows.arrivals import Arrivals
from clones.omega.workflows.ports import Definitions, Histories, Others, Results, Sleepers, Submissions
from clones.workflows.commands import Command, StartWorkflow, SubmitTask
from clones.workflows.views import Expected
from schemas import RoutingTable


@dataclass(frozen=True, slots=True)
class Books:
    """What runs are read from and written to, for all runs of one Omega."""

    histories: Histories
    definitions: Definitions
    sleepers: Sleepers
    clock: Clock


@dataclass(frozen=True, slots=True)
class Means:
    """What all runs of one Omega share to have things done."""

    network: Network
    identity: Identity
    table: Callable[[], RoutingTable]
    submissions: Submissions
    results: Results
    others: Others
    arrivals: Arrivals
    journal: Journal


class Asked(NamedTuple):
    """What is stored in the ledger for a command."""

    task_id: str
    subject: str
    since: datetime
    """The `at` of the entry that asks for it."""


def asked_by(subjects: Subjects, command: Command) -> Asked | None:
    """Return what `command` has stored, or None where it stores nothing."""
    match command:
        case SubmitTask():
            return Asked(command.task_id, subjects.task(command.task_type, command.priority), command.since)
        case StartWorkflow():
            return Asked(command.workflow_id, subjects.workflow(command.workflow), command.since)
    return None


def expected_of(command: SubmitTask | StartWorkflow) -> Expected:
    """Return the result that is waited for once `command` is carried out."""
    if isinstance(command, SubmitTask):
        return Expected(
            command.step,
            command.index,
            compensation=command.compensation,
            task_type=command.task_type,
            task_id=command.task_id,
            since=command.since,
        )
    return Expected(
        command.step,
        command.index,
        compensation=False,
        task_type=WORKFLOW_TYPE,
        task_id=command.workflow_id,
        since=command.since,
    )
