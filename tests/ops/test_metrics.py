"""Metrics as Prometheus scrapes them, held against what the ledger says happened."""

import asyncio
import socket
import urllib.request
from collections import Counter
from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from bus.errors import ConfigurationError
from bus.identity import Identity
from bus.task import Done, Task
from clones.completeness.findings import MEANINGS
from clones.omega.completeness import CheckCounts
from ops.metrics import Metrics
from ops.queues import watched
from ops.status import ask
from schemas import StatusResponse, TaskAssignment
from tests.bus.eventually import eventually
from tests.bus.rig import Runs, failure
from tests.ops.network import reserved_port
from tests.ops.rig import WITHIN_S, OpsRig


async def scrape(url: str) -> list[Metric]:
    def read() -> str:
        with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310  an http URL of this machine
            body: bytes = answer.read()
            return body.decode()

    return list(text_string_to_metric_families(await asyncio.to_thread(read)))


async def answer_of(rig: OpsRig, clone: str) -> StatusResponse:
    """What a clone answers once it is ready; on a busy machine not in time each time."""
    answers: list[StatusResponse] = []

    async def ready() -> bool:
        answers[:] = await ask(rig.bus.network, clone)
        return [answer.state for answer in answers] == ["ready"]

    await eventually(ready, within_s=WITHIN_S)
    return answers[0]


async def url_of(rig: OpsRig, clone: str) -> str:
    answer = await answer_of(rig, clone)
    assert answer.metrics_url is not None
    return answer.metrics_url


def total(families: Iterable[Metric], sample: str, **labels: str) -> float:
    """The sum of all samples of this name that have these labels."""
    return sum(
        each.value
        for family in families
        for each in family.samples
        if each.name == sample and labels.items() <= each.labels.items()
    )


async def test_counters_agree_with_the_ledger(ops_rig: OpsRig) -> None:
    bus = ops_rig.bus
    runs = Runs()

    async def handler(task: Task) -> Done:
        if task.params.get("crash"):
            raise RuntimeError("a defect")
        if task.params.get("too_late"):
            await bus.network.results.settle(msgspec.structs.replace(failure(task.id), task_type=task.task_type))
        return await runs(task)

    bodies: list[dict[str, Any]] = [
        *[{} for _ in range(5)],
        *[{"fail": "target_not_found"} for _ in range(3)],
        *[{"fail": "target_unavailable", "until": 2} for _ in range(2)],
        {"crash": True},
        {"too_late": True},
    ]
    async with ops_rig.clone("beta", handler):
        url = await url_of(ops_rig, "beta")
        for number, params in enumerate(bodies):
            task_type = "security" if number % 2 else "performance"
            await bus.submitter.submit(task_type, TaskAssignment(id=f"task-{number}", params=params, retries=1))
        await bus.publish(b"no JSON", "security")

        async def copied() -> bool:
            return len(await bus.in_stream(bus.subjects.ledger, bus.subjects.every("result"))) == len(bodies) + 1

        async def counted() -> bool:
            families = await scrape(url)
            ended = total(families, "sanctuary_tasks_total") + total(families, "sanctuary_results_dropped_total")
            return ended == len(bodies) + 1

        async def escalated() -> bool:
            return len(await bus.in_stream(bus.subjects.ledger, bus.subjects.every("escalation"))) == 2

        # A result is counted when the server has told that it is stored, and an exception is escalated beside the work.
        for settled in (copied, counted, escalated):
            await eventually(settled)
        families = await scrape(url)
        answer = await answer_of(ops_rig, "beta")

    ledger: Counter[tuple[str, str]] = Counter()
    codes: Counter[str] = Counter()
    for message in await bus.in_stream(bus.subjects.ledger, ">"):
        told = msgspec.json.decode(message.data) if message.data.startswith(b"{") else {}
        if told.get("type") in ("TaskCompletion", "TaskFailure", "TaskRetrying") and told["clone"] == "beta":
            ledger[told["type"], told["task_type"]] += 1
            codes[f"{told['type']} {told.get('code')}"] += 1
    assert sum(ledger.values()) > len(bodies)
    for task_type in ("security", "performance"):
        labels = {"task_type": task_type, "clone": "beta"}
        completed, failed = ledger["TaskCompletion", task_type], ledger["TaskFailure", task_type]
        assert total(families, "sanctuary_tasks_total", outcome="completed", **labels) == completed
        assert total(families, "sanctuary_tasks_total", outcome="failed", **labels) == failed
        assert total(families, "sanctuary_task_result_seconds_count", **labels) == completed + failed
        assert total(families, "sanctuary_task_retries_total", **labels) == ledger["TaskRetrying", task_type]
    for name in ("target_not_found", "handler_failed", "invalid_assignment"):
        assert total(families, "sanctuary_task_failures_total", code=name) == codes[f"TaskFailure {name}"] > 0
    assert total(families, "sanctuary_task_retries_total", code="target_unavailable") == 2
    assert total(families, "sanctuary_results_dropped_total") == 1
    assert total(families, "sanctuary_handler_exceptions_total") == 2
    tasks = await bus.in_stream(bus.subjects.ledger, bus.subjects.every("task"))
    retried = sum(count for (kind, _), count in ledger.items() if kind == "TaskRetrying")
    assert total(families, "sanctuary_task_deliveries_total") == len(tasks) + retried
    # What came to a worker without a free slot, and was handed back unread, comes as a redelivery too.
    assert total(families, "sanctuary_task_redeliveries_total") >= retried == 3
    # What was refused was never started.
    assert total(families, "sanctuary_task_wait_seconds_count") == len(tasks) - 1 + retried
    assert (answer.succeeded, answer.failed) == (
        total(families, "sanctuary_tasks_total", outcome="completed"),
        total(families, "sanctuary_tasks_total", outcome="failed"),
    )


async def test_what_runs_now_and_how_deep_the_queues_are(ops_rig: OpsRig) -> None:
    bus = ops_rig.bus
    release = asyncio.Event()

    async def handler(_: Task) -> Done:
        await release.wait()
        return Done()

    async with ops_rig.clone("gamma", handler, capacity=2) as metrics:
        url = await url_of(ops_rig, "gamma")
        for number in range(5):
            await bus.submitter.submit("architecture", TaskAssignment(), priority="low" if number else None)
        await bus.submitter.submit("testing", TaskAssignment())

        async def busy() -> bool:
            return total(await scrape(url), "sanctuary_tasks_in_flight") == 2

        await eventually(busy)
        families = await scrape(url)
        assert total(families, "sanctuary_tasks_capacity", clone="gamma") == 2
        assert total(families, "sanctuary_connected", clone="gamma") == 1
        assert total(families, "sanctuary_reconnects_total", clone="gamma") == 0

        async with watched(bus.network, metrics):

            async def told() -> bool:
                return total(await scrape(url), "sanctuary_queue_tasks") == 6

            await eventually(told)
        families = await scrape(url)
        # One that came without a free slot and was handed back counts as taken until it comes again.
        taken = total(families, "sanctuary_queue_tasks", state="taken")
        assert taken >= 2
        assert total(families, "sanctuary_queue_tasks", state="waiting") == 6 - taken
        # A bare subject counts under its route's own priority.
        assert total(families, "sanctuary_queue_tasks", task_type="testing", priority="medium", state="waiting") == 1
        assert total(families, "sanctuary_queue_tasks", task_type="architecture") == 5
        assert 0 < total(families, "sanctuary_queue_oldest_seconds", task_type="testing", priority="medium") < 60
        metrics.set_queues(())
        assert total(await scrape(url), "sanctuary_queue_tasks") == 0
        release.set()


async def test_what_keeps_an_instance_from_its_tasks_and_who_is_there(ops_rig: OpsRig) -> None:
    async def broken(_: Task) -> Done:
        raise RuntimeError("a defect")

    async with ops_rig.clone("gamma", broken) as metrics:
        url = await url_of(ops_rig, "gamma")
        assert total(await scrape(url), "sanctuary_problems") == 0
        assert not any(family.name == "sanctuary_instances" for family in await scrape(url))
        metrics.watch_instances(lambda: {"up": 4, "dead": 1})
        for _ in range(5):
            await ops_rig.bus.submitter.run("architecture", TaskAssignment(retries=0), timeout_s=60)

        async def counted() -> bool:
            return total(await scrape(url), "sanctuary_tasks_total") == 5

        # The last result is stored before it is counted.
        await eventually(counted)
        families = await scrape(url)
        answer = await answer_of(ops_rig, "gamma")
    assert total(families, "sanctuary_problems") == 1 == len(answer.problems)
    assert answer.health == "degraded"
    assert answer.success_rate == 0
    assert {state: total(families, "sanctuary_instances", state=state) for state in ("up", "suspect", "dead")} == {
        "up": 4,
        "suspect": 0,
        "dead": 1,
    }


async def test_how_far_the_ledger_is_checked(ops_rig: OpsRig) -> None:
    async with ops_rig.clone("gamma", Runs()) as metrics:
        url = await url_of(ops_rig, "gamma")
        assert not any(family.name.startswith("sanctuary_ledger") for family in await scrape(url))
        metrics.watch_completeness(lambda: CheckCounts(last=7, left=3, findings={"story": 2}))
        families = await scrape(url)
    assert total(families, "sanctuary_ledger_checked_sequence") == 7
    assert total(families, "sanctuary_ledger_unchecked_entries") == 3
    counts = {rule: total(families, "sanctuary_ledger_findings_total", rule=rule) for rule in MEANINGS}
    assert counts == {**dict.fromkeys(MEANINGS, 0), "story": 2}


async def test_names_follow_the_conventions(ops_rig: OpsRig) -> None:
    async with ops_rig.clone("sigma", Runs()):
        families = await scrape(await url_of(ops_rig, "sigma"))
        answer = await answer_of(ops_rig, "sigma")
    ours = [family for family in families if family.name.startswith("sanctuary_")]
    assert len(ours) > 10
    for family in ours:
        assert family.documentation
        assert family.type != "histogram" or family.name.endswith("_seconds")
        for sample in family.samples:
            assert sample.labels["clone"] == "sigma"
            assert family.type != "counter" or sample.name.endswith(("_total", "_created"))
    assert total(families, "sanctuary_build_info", name=answer.instance, version=answer.version) == 1


async def test_a_taken_port_is_told(ops_rig: OpsRig) -> None:
    metrics = Metrics(Identity("beta"), ops_rig.bus.network)
    with reserved_port() as port:
        said = f"127.0.0.1:{port}: Address already in use.*--metrics-port"
        with (
            socket.create_server(("127.0.0.1", port)),
            pytest.raises(ConfigurationError, match=said),
            metrics.served(port),
        ):
            pass
        with metrics.served(None) as url:
            assert url is None
        with metrics.served(port) as url:
            assert url == f"http://127.0.0.1:{port}/metrics"
