"""A daemon's metrics for Prometheus: what its worker does, and whether it is connected.

Names and units follow https://prometheus.io/docs/practices/naming/. Every series has the label `clone`; which instance it
is stands in `name` of `sanctuary_build_info`: the label `instance` is Prometheus' own for what it scrapes.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import version

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    start_http_server,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from bus.errors import ConfigurationError
from bus.identity import Identity
from bus.network import Network
from bus.observer import Crash, Observer, Observers
from bus.worker import Worker
from clones.completeness.findings import MEANINGS
from clones.models.advice import Asked
from clones.omega.completeness import CheckCounts
from clones.omega.roll_call import InstanceCounts, InstanceState
from clones.omega.workflows.observer import WorkflowObserver
from ops.workflow_metrics import WorkflowMetrics
from schemas import QueueStatus, TaskCompletion, TaskResult

ADDRESS = "127.0.0.1"
INSTANCE_STATES: tuple[InstanceState, ...] = ("up", "suspect", "dead", "draining")
WAIT_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
RESULT_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)


class Metrics:
    """The metrics of one daemon, in a registry of their own."""

    def __init__(self, identity: Identity, network: Network) -> None:
        self._clone = identity.clone
        self._registry = CollectorRegistry()
        self.observer: Observer = _TaskMetrics(identity.clone, self._registry)
        """To be told what the worker does."""
        self._queues = _QueueMetrics(identity.clone, self._registry)
        build = Gauge(
            "sanctuary_build_info",
            "What runs here; the value is always 1.",
            ("clone", "name", "version"),
            registry=self._registry,
        )
        build.labels(identity.clone, identity.instance, version("sanctuary-bus")).set(1)
        self._live = _Live(identity.clone, network)
        self._registry.register(self._live)
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)

    def watch(self, worker: Worker) -> None:
        """Tell from now on how busy `worker` is."""
        self._live.worker = worker

    def watch_instances(self, counts: Callable[[], InstanceCounts]) -> None:
        """Tell from now on how many instances are in each state, as `counts` returns it."""
        self._live.instances = counts

    def watch_completeness(self, counts: Callable[[], CheckCounts]) -> None:
        """Tell from now on how far the ledger is checked, and what was found, as `counts` returns it."""
        self._live.completeness = counts

    def add(self, collector: Collector) -> None:
        """Serve what `collector` tells too."""
        self._registry.register(collector)

    def model_observer(self) -> Callable[[Asked], None]:
        """Return what is to hear of each request to a language model; such series are there from now on."""
        return _ModelMetrics(self._clone, self._registry).asked

    def workflow_observer(self) -> WorkflowObserver:
        """Return what is to hear of an Omega's workflows; such series are there from now on. Call it before `observer` is used."""
        metrics = WorkflowMetrics(self._clone, self._registry)
        self.observer = Observers(self.observer, metrics)
        return metrics

    def set_queues(self, queues: Collection[QueueStatus]) -> None:
        """Tell what waits; none: not known just now."""
        self._queues.set(queues)

    @contextmanager
    def served(self, port: int | None) -> Iterator[str | None]:
        """Serve the metrics on this port of the loopback interface and yield their URL; 0 takes a free port, None serves nothing.

        Raises:
            ConfigurationError: the port cannot be used.
        """
        if port is None:
            yield None
            return
        try:
            server, thread = start_http_server(port, ADDRESS, self._registry)
        except OSError as error:
            raise ConfigurationError(
                f"metrics cannot be served on {ADDRESS}:{port}: {error.strerror}. Choose another --metrics-port, or 0 for a free one"
            ) from None
        try:
            yield f"http://{ADDRESS}:{server.server_port}/metrics"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


class _TaskMetrics(Observer):
    """Counts what a worker tells."""

    def __init__(self, clone: str, registry: CollectorRegistry) -> None:
        self._clone = clone

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(name, text, ("clone", "task_type", *labels), registry=registry)

        def histogram(name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
            return Histogram(name, text, ("clone", "task_type"), registry=registry, buckets=buckets)

        self._tasks = counter("sanctuary_tasks", "Tasks that this instance's result ended.", "outcome")
        self._failures = counter("sanctuary_task_failures", "Tasks that ended as failed, by error code.", "code")
        self._deliveries = counter("sanctuary_task_deliveries", "Deliveries of tasks, first and repeated ones.")
        self._redeliveries = counter("sanctuary_task_redeliveries", "Deliveries of tasks that were delivered before.")
        self._retries = counter("sanctuary_task_retries", "Attempts that failed and are followed by another.", "code")
        self._parked = counter(
            "sanctuary_tasks_parked", "Tasks whose attempts ran out and that wait for a decision.", "code"
        )
        self._dropped = counter("sanctuary_results_dropped", "Results dropped because the task had one already.")
        self._exceptions = counter("sanctuary_handler_exceptions", "Exceptions that a handler should not have raised.")
        self._wait = histogram(
            "sanctuary_task_wait_seconds", "From the task stored to the start of its handler.", WAIT_BUCKETS_S
        )
        self._result = histogram(
            "sanctuary_task_result_seconds", "From the task stored to its result stored.", RESULT_BUCKETS_S
        )

    def delivered(self, task_type: str, *, redelivered: bool) -> None:
        """As in Observer."""
        self._deliveries.labels(self._clone, task_type).inc()
        self._redeliveries.labels(self._clone, task_type).inc(redelivered)

    def started(self, task_type: str, waited_s: float) -> None:
        """As in Observer."""
        # The ledger's clock and this machine's may differ by more than a short wait.
        self._wait.labels(self._clone, task_type).observe(max(0.0, waited_s))

    def parked(self, task_type: str, task_id: str, code: str) -> None:
        """As in Observer."""
        self._parked.labels(self._clone, task_type, code).inc()

    def retrying(self, task_type: str, task_id: str, code: str) -> None:
        """As in Observer."""
        self._retries.labels(self._clone, task_type, code).inc()

    def settled(self, result: TaskResult, *, since_stored_s: float) -> None:
        """As in Observer."""
        completed = isinstance(result, TaskCompletion)
        self._tasks.labels(self._clone, result.task_type, "completed" if completed else "failed").inc()
        if not isinstance(result, TaskCompletion):
            self._failures.labels(self._clone, result.task_type, result.code).inc()
        self._result.labels(self._clone, result.task_type).observe(max(0.0, since_stored_s))

    def dropped(self, task_type: str) -> None:
        """As in Observer."""
        self._dropped.labels(self._clone, task_type).inc()

    def crashed(self, crash: Crash) -> None:
        """As in Observer."""
        self._exceptions.labels(self._clone, crash.task_type).inc()


class _ModelMetrics:
    """What a clone asks of a language model."""

    def __init__(self, clone: str, registry: CollectorRegistry) -> None:
        self._clone = clone

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(name, text, ("clone", "task_type", "model", *labels), registry=registry)

        self._requests = counter("sanctuary_model_requests", "Requests to a language model.", "outcome")
        self._seconds = counter("sanctuary_model_seconds", "Time that requests to a language model took.")
        self._tokens = counter("sanctuary_model_tokens", "Tokens, as the model's provider counts them.", "kind")
        self._cost = counter(
            "sanctuary_model_cost_usd", "US dollars, by the configured prices; 0 where there are none."
        )

    def asked(self, asked: Asked) -> None:
        labels = (self._clone, asked.task_type, asked.model)
        self._requests.labels(*labels, asked.outcome).inc()
        self._seconds.labels(*labels).inc(asked.took_s)
        self._tokens.labels(*labels, "prompt").inc(asked.prompt_tokens)
        self._tokens.labels(*labels, "answer").inc(asked.answer_tokens)
        self._cost.labels(*labels).inc(asked.cost_usd or 0.0)


class _QueueMetrics:
    """What waits, as Omega sees it."""

    def __init__(self, clone: str, registry: CollectorRegistry) -> None:
        self._clone = clone
        labels = ("clone", "task_type", "priority")
        self._tasks = Gauge(
            "sanctuary_queue_tasks",
            "Tasks and workflows that have not ended: waiting, or taken (they run, wait for an attempt, or are parked).",
            (*labels, "state"),
            registry=registry,
        )
        self._oldest = Gauge(
            "sanctuary_queue_oldest_seconds",
            "How long the oldest task that nobody has taken has waited; 0: none waits.",
            labels,
            registry=registry,
        )

    def set(self, queues: Iterable[QueueStatus]) -> None:
        self._tasks.clear()
        self._oldest.clear()
        for queue in queues:
            # Prometheus takes an empty label, as workflows have it for a priority, for none.
            labels = (self._clone, queue.task_type, queue.priority)
            self._tasks.labels(*labels, "waiting").set(queue.waiting)
            self._tasks.labels(*labels, "taken").set(queue.taken)
            self._oldest.labels(*labels).set(queue.oldest_s or 0)


class _Live(Collector):
    """What is looked up when somebody scrapes."""

    def __init__(self, clone: str, network: Network) -> None:
        self._clone = clone
        self._network = network
        self.worker: Worker | None = None
        self.instances: Callable[[], InstanceCounts] | None = None
        self.completeness: Callable[[], CheckCounts] | None = None

    def collect(self) -> Iterable[GaugeMetricFamily | CounterMetricFamily]:
        """Return the present values."""
        connected = float(self._network.is_connected())
        yield self._one(GaugeMetricFamily, "sanctuary_connected", "Whether there is a connection: 1 or 0.", connected)
        text = "How often the connection was replaced by a new one."
        yield self._one(CounterMetricFamily, "sanctuary_reconnects", text, self._network.reconnects)
        if self.worker is not None:
            text = "Tasks that run now."
            yield self._one(GaugeMetricFamily, "sanctuary_tasks_in_flight", text, self.worker.in_flight)
            text = "Tasks that may run at once."
            yield self._one(GaugeMetricFamily, "sanctuary_tasks_capacity", text, self.worker.capacity)
            text = "What keeps this instance from some of its tasks, such as open circuit breakers."
            yield self._one(GaugeMetricFamily, "sanctuary_problems", text, len(self.worker.problems()))
        if self.instances is not None:
            text = "Instances in each state, as Omega sees them; a dead one counts for an hour."
            family = GaugeMetricFamily("sanctuary_instances", text, labels=["clone", "state"])
            counts = self.instances()
            for state in INSTANCE_STATES:
                family.add_metric([self._clone, state], counts.get(state, 0))
            yield family

        if self.completeness is not None:
            yield from self._checked(self.completeness())

    def _checked(self, counts: CheckCounts) -> Iterable[GaugeMetricFamily | CounterMetricFamily]:
        text = "The ledger's last entry that was checked to fit with the others."
        yield self._one(GaugeMetricFamily, "sanctuary_ledger_checked_sequence", text, counts.last)
        text = "Entries of the ledger behind that one; those of the last minute are not checked yet."
        yield self._one(GaugeMetricFamily, "sanctuary_ledger_unchecked_entries", text, counts.left)
        text = "What was found not to fit, by rule; each is escalated too."
        family = CounterMetricFamily("sanctuary_ledger_findings", text, labels=["clone", "rule"])
        for rule in MEANINGS:
            family.add_metric([self._clone, rule], counts.findings.get(rule, 0))
        yield family

    def _one(
        self, kind: type[GaugeMetricFamily] | type[CounterMetricFamily], name: str, text: str, value: float
    ) -> GaugeMetricFamily | CounterMetricFamily:
        family = kind(name, text, labels=["clone"])
        family.add_metric([self._clone], value)
        return family
