"""An Omega's metrics of workflows: runs, their steps and histories, and schedules.

Of the names of workflows only those of stored definitions become labels: nobody makes series by asking for what is not there.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from bus.observer import Observer
from clones.omega.workflows.observer import WorkflowObserver
from schemas import (
    ErrorCode,
    StepEnded,
    TaskResult,
    WorkflowBegun,
    WorkflowCompletion,
    WorkflowEntry,
    WorkflowFailure,
)

RUN_BUCKETS_S = (0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 1800, 3600, 4 * 3600, 86400, 3 * 86400, 7 * 86400)
APPEND_BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
SCHEDULED = {
    "begin": ("starts", "Starts that this Omega made by schedules."),
    "missed": ("missed", "How often a schedule had starts due that were too late to be made up for."),
    "put_off": ("put_off", "Starts that this Omega put off until the run before is over."),
    "leave_out": ("left_out", "Starts that this Omega left out because the run before was not over."),
}
"""By what became of a start that was due: its counter, and what that counts."""


class WorkflowMetrics(WorkflowObserver, Observer):
    """Counts what an Omega's workflows tell, and those of its worker's results that are runs'."""

    def __init__(self, clone: str, registry: CollectorRegistry) -> None:
        self._clone = clone

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(name, text, ("clone", *labels), registry=registry)

        def gauge(name: str, text: str) -> Gauge:
            made = Gauge(name, text, ("clone",), registry=registry)
            made.labels(clone).set(0)
            return made

        def histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(name, text, ("clone", *labels), registry=registry, buckets=buckets)

        self._begun = counter("sanctuary_workflow_runs_begun", "Runs of workflows that this Omega began.", "workflow")
        self._ended = counter(
            "sanctuary_workflow_runs_ended",
            "Runs that this Omega's result ended: completed, failed or cancelled.",
            "workflow",
            "outcome",
        )
        self._run = histogram(
            "sanctuary_workflow_run_seconds", "From a run's beginning to its end.", RUN_BUCKETS_S, "workflow"
        )
        self._steps = counter(
            "sanctuary_workflow_steps_ended",
            "Steps' results that this Omega wrote into histories, elements of fan-outs and compensations each.",
            "workflow",
            "outcome",
        )
        self._steps_by: dict[tuple[str, str], Counter] = {}
        """Of each step, so looked up here: `labels` takes a lock and checks its arguments."""
        self._active = gauge("sanctuary_workflow_runs_active", "Runs that this Omega drives now.")
        self._sleeping = gauge(
            "sanctuary_workflow_runs_sleeping", "Runs of the whole network that only wait, as this Omega knows it."
        )
        self._woken = counter("sanctuary_workflow_wake_ups", "Runs that this Omega woke.", "workflow")
        self._append = histogram(
            "sanctuary_workflow_append_seconds",
            "To store an entry in a run's history: the state step, beside which nothing is stored.",
            APPEND_BUCKETS_S,
        ).labels(clone)
        self._conflicts = counter(
            "sanctuary_workflow_append_conflicts", "Entries refused because the history had grown meanwhile."
        )
        self._conflicts.labels(clone)
        self._schedules = {
            outcome: counter(f"sanctuary_schedule_{name}", text) for outcome, (name, text) in SCHEDULED.items()
        }
        for each in self._schedules.values():
            each.labels(clone)

    def appended(self, entry: WorkflowEntry, took_s: float) -> None:
        """As in WorkflowObserver."""
        self._append.observe(took_s)
        for event in entry.events:
            match event:
                case WorkflowBegun():
                    self._begun.labels(self._clone, entry.workflow).inc()
                case StepEnded():
                    key = entry.workflow, event.state
                    if (count := self._steps_by.get(key)) is None:
                        count = self._steps_by[key] = self._steps.labels(self._clone, *key)
                    count.inc()

    def conflicted(self) -> None:
        """As in WorkflowObserver."""
        self._conflicts.labels(self._clone).inc()

    def taken_up(self) -> None:
        """As in WorkflowObserver."""
        self._active.labels(self._clone).inc()

    def left(self) -> None:
        """As in WorkflowObserver."""
        self._active.labels(self._clone).dec()

    def sleeping(self, count: int) -> None:
        """As in WorkflowObserver."""
        self._sleeping.labels(self._clone).set(count)

    def woken(self, workflow: str) -> None:
        """As in WorkflowObserver."""
        self._woken.labels(self._clone, workflow).inc()

    def scheduled(self, outcome: str) -> None:
        """As in WorkflowObserver."""
        self._schedules[outcome].labels(self._clone).inc()

    def settled(self, result: TaskResult, *, since_stored_s: float) -> None:
        """As in Observer."""
        if not isinstance(result, WorkflowCompletion | WorkflowFailure):
            return
        outcome = "completed"
        if isinstance(result, WorkflowFailure):
            outcome = "cancelled" if result.code == ErrorCode.CANCELLED else "failed"
        self._ended.labels(self._clone, result.workflow, outcome).inc()
        if result.started_at is not None:
            took_s = (result.finished_at - result.started_at).total_seconds()
            self._run.labels(self._clone, result.workflow).observe(max(0.0, took_s))
