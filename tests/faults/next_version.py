"""The next version of Sanctuary, as a program: `python -m tests.faults.next_version MODULE ARGUMENT...` runs MODULE in it.

Its messages have grown: TaskCompletion and TaskStarted have one field more, and of an attempt that runs on there is one more
event, of a kind that is new.
"""

import runpy
import sys
from functools import partial
from typing import Any

import schemas

VERSION = "next"


class TaskCompletion(schemas.TaskCompletion, frozen=True, kw_only=True):
    built_by: str = ""


class TaskStarted(schemas.TaskStarted, frozen=True, kw_only=True):
    built_by: str = ""


class TaskWarmedUp(schemas.TaskEvent, frozen=True, kw_only=True):
    degrees: int


def grow() -> None:
    """Read and write the messages of the next version from now on; nothing but schemas may be imported yet."""
    events = (schemas.TaskProgress, schemas.TaskRetrying, schemas.TaskReassigned, schemas.TaskParked)
    grown: dict[str, Any] = {
        "TaskCompletion": TaskCompletion,
        "TaskStarted": TaskStarted,
        "TaskResult": TaskCompletion | schemas.TaskFailure,
        "AnyTaskEvent": events[0]
        | events[1]
        | events[2]
        | events[3]
        | schemas.TaskResumed
        | TaskStarted
        | TaskWarmedUp,
    }
    for name, message in grown.items():
        setattr(schemas, name, message)

    import bus.attempt
    import bus.outcomes

    # What these make of them; whatever reads them has the classes themselves.
    written: Any = bus.outcomes
    written.TaskCompletion = partial(TaskCompletion, built_by=VERSION)
    written = bus.attempt
    written.TaskStarted = partial(TaskStarted, built_by=VERSION)
    runs_on = bus.attempt.Attempt._runs_on

    def runs_on_and_warms_up(attempt: bus.attempt.Attempt) -> None:
        runs_on(attempt)
        attempt._post(TaskWarmedUp, degrees=40)

    written.Attempt._runs_on = runs_on_and_warms_up


if __name__ == "__main__":
    grow()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
