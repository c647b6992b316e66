"""The workflows that Omega knows: what each takes, and how it runs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec

from bus.client import Submitter
from bus.subjects import WORKFLOW_TYPE, Subjects
from bus.task import Handler, Service
from clones.omega.review import ReviewInput, review_handler

WORKFLOW_TIMEOUT_S = 24 * 3600.0
WORKFLOW_RETRIES = 100
"""A workflow whose Omega died is taken up by another one; its steps keep their ids, so nothing is done twice."""

WORKFLOWS_AT_ONCE = 48
"""In one Omega, fewer than it has slots: what workflows wait for may itself wait for a command, and that needs one."""


@dataclass(frozen=True, slots=True)
class Workflow:
    """One kind of workflow."""

    name: str
    input: type[msgspec.Struct]
    handler: Callable[[Submitter], Handler]


WORKFLOWS: Mapping[str, Workflow] = {"review": Workflow("review", ReviewInput, review_handler)}
"""By name."""


def services(subjects: Subjects, submitter: Submitter) -> tuple[Service, ...]:
    """Return what a worker needs to run all workflows."""
    return tuple(
        Service(
            task_type=WORKFLOW_TYPE,
            handler=workflow.handler(submitter),
            consumers={subjects.workflow_consumer(workflow.name): 1},
            concurrency=WORKFLOWS_AT_ONCE,
            timeout_s=WORKFLOW_TIMEOUT_S,
            retries=WORKFLOW_RETRIES,
        )
        for workflow in WORKFLOWS.values()
    )
