"""How a run's steps are told while it goes."""

from datetime import UTC, datetime

from bus.definitions import Definitions
from bus.jetstream import publish
from bus.network import Network
from clones.workflows.ids import step_id
from ops.following import Following, StepNews
from schemas import AnyTaskEvent, TaskProgress, TaskRetrying, TaskStarted, encode
from tests.bus.eventually import eventually
from tests.ops.rig import OpsRig
from tests.ops.runs import HandMade, store


async def report(network: Network, event: AnyTaskEvent) -> None:
    await publish(network.requester, network.subjects.event(event.task_type, event.task_id), encode(event))


async def test_each_change_of_a_step_is_told_with_what_its_task_reports(ops_rig: OpsRig) -> None:
    network = ops_rig.bus.network
    await store(network)
    run = HandMade(network, "r1")
    heard: list[StepNews] = []

    def states(step: str) -> list[str]:
        return [news.state for news in heard if news.step == step]

    async with Following(network, Definitions(network), "r1", heard.append) as following:
        assert not following.begun.is_set()
        await run.begin()
        await eventually(lambda: len(heard) >= 4)
        assert following.begun.is_set()
        assert [(news.step, news.state) for news in heard[:4]] == [
            ("tests", "running"),
            ("each", "running"),
            ("go", "pending"),
            ("publish", "pending"),
        ]
        who = {
            "task_id": step_id("r1", "tests", secret=""),
            "task_type": "testing",
            "clone": "delta",
            "instance": "delta-1",
        }
        at = datetime.now(UTC)
        # Its task is listened to right after the entry that asks for it was told.
        await eventually(lambda: len(following._tasks) == 3)
        await report(network, TaskStarted(**who, attempt=1, at=at))
        await report(network, TaskProgress(**who, attempt=1, at=at, fraction=0.5, message="12 tests"))
        await report(network, TaskRetrying(**who, attempt=1, at=at, code="engine_failed", message="no", delay_s=1))
        await eventually(lambda: "retrying" in states("tests"))
        assert [(n.state, n.clone, n.fraction, n.text) for n in heard if n.step == "tests"][1:] == [
            ("running", "delta", 0.0, ""),
            ("running", "delta", 0.5, "12 tests"),
            ("retrying", "delta", 0.0, "engine_failed: no"),
        ]
        element = {**who, "task_id": step_id("r1", "each", 1, secret=""), "task_type": "security"}
        await report(network, TaskProgress(**element, attempt=1, at=at, fraction=0.5, message="b.py"))
        await run.tell(run.ended("each", 0), run.ended("tests", message="12 tests passed"))
        await eventually(lambda: "waiting" in states("go"))
        each = [(news.state, news.fraction, news.text) for news in heard if news.step == "each"]
        assert each == [("running", 0.0, "0 of 2"), ("running", 0.0, "each[1]: b.py"), ("running", 0.5, "1 of 2")]
        assert [(n.state, n.text) for n in heard if n.step == "tests"][-1] == ("completed", "12 tests passed")
        assert [news.text for news in heard if news.step == "go"][-1] == "Release /project?"


async def test_who_comes_late_hears_what_stands_and_what_cannot_be_read_is_told_later(ops_rig: OpsRig) -> None:
    network = ops_rig.bus.network
    run = HandMade(network, "r1")
    await store(network)
    await run.begin(files=())
    await run.tell(run.ended("tests"))
    heard: list[StepNews] = []
    async with Following(network, Definitions(network), "r1", heard.append) as following:
        await following.look()
        assert {news.step: news.state for news in heard} == {
            "tests": "completed",
            "each": "completed",
            "go": "waiting",
            "publish": "pending",
        }
        told = len(heard)
        await following.look()
        assert len(heard) == told
