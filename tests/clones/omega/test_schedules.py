"""Schedules start workflows once, whichever Omegas are there and wherever they die; time is set, not slept."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio

from bus import buckets
from bus.client import Submitted, Submitter
from bus.definitions import Definitions, create
from bus.errors import RequestTimeout
from bus.jetstream import api, last_of
from bus.network import open_network
from bus.schedules import schedules, standing
from bus.task import Done, TaskError
from clones.omega.schedule_changes import change_schedule
from clones.omega.schedules import Schedules
from schemas import (
    InputField,
    Schedule,
    ScheduleChange,
    ScheduleInForce,
    Step,
    TaskCancel,
    TaskCompletion,
    WorkflowDefinition,
    WorkflowInForce,
    WorkflowStart,
    decode,
    encode,
)
from tests.bus.eventually import eventually
from tests.clones.omega.clocks import SetClock
from tests.clones.rig import ClonesRig

PLAIN = WorkflowDefinition(
    name="plain", input={"target": InputField(required=True)}, steps={"only": Step(task="security")}
)
HOURLY = Schedule(workflow="plain", input={"target": "."}, every_s=3600.0)


class Killed(BaseException):
    """Where an Omega dies in a test."""


class Mortal(Submitter):
    """Dies before it stores a start, or when it has."""

    dies: str | None = None

    async def start_workflow(self, name: str, start: WorkflowStart) -> Submitted:
        if self.dies == "before":
            raise Killed
        stored = await super().start_workflow(name, start)
        if self.dies == "after":
            raise Killed
        return stored


class Scene:
    """A realm with schedules and without Omegas, of which any number are made."""

    def __init__(self, rig: ClonesRig, submitter: Mortal) -> None:
        self.rig = rig
        self.submitter = submitter
        self.clock = SetClock()
        self.definitions = Definitions(rig.network)
        self._commands = 100

    def omega(self) -> Schedules:
        """An Omega that has just begun."""
        return Schedules(self.rig.network, self.submitter, self.clock)

    async def change(self, name: str, schedule: Schedule | None, *, sequence: int | None = None, **told: str) -> Done:
        """Carry out a ScheduleChange that is newer than those before."""
        self._commands += 1
        wanted = ScheduleChange(name=name, schedule=schedule, **told)
        return await change_schedule(
            self.rig.network, self.submitter, self.definitions, self.clock, wanted, sequence=sequence or self._commands
        )

    async def record(self, name: str) -> ScheduleInForce:
        found = await standing(self.rig.network, name)
        assert found is not None
        assert found.record is not None
        return found.record

    async def starts(self) -> list[WorkflowStart]:
        """What stands in the ledger, oldest first."""
        messages = await self.rig.bus.in_stream(self.rig.subjects.ledger, self.rig.subjects.workflow("plain"))
        return [decode(WorkflowStart, message.data) for message in messages]

    async def cancels(self) -> list[TaskCancel]:
        messages = await self.rig.bus.in_stream(self.rig.subjects.ledger, self.rig.subjects.command("workflow"))
        return [decode(TaskCancel, message.data) for message in messages]

    async def end(self, start: WorkflowStart) -> None:
        """Give a run its result."""
        assert start.id is not None
        now = datetime.now(UTC)
        fields = {"clone": "omega", "instance": "omega-1", "attempt": 1, "started_at": now, "finished_at": now}
        done = TaskCompletion(task_id=start.id, task_type="workflow", writer=f"w-{start.id}", **fields)  # type: ignore[arg-type]
        await self.rig.network.results.settle(done)

    async def is_copied(self, start: WorkflowStart) -> bool:
        """Tell whether a run's result has come into the ledger."""
        subject = self.rig.subjects.result("workflow", str(start.id))
        return await last_of(self.rig.network.requester, self.rig.subjects.ledger, subject) is not None


@pytest_asyncio.fixture
async def scene(clones_rig: ClonesRig) -> AsyncIterator[Scene]:
    await create(clones_rig.network, WorkflowInForce(definition=PLAIN, version=1, at=datetime.now(UTC)))
    submitter = Mortal(clones_rig.network)
    async with submitter:
        yield Scene(clones_rig, submitter)


@asynccontextmanager
async def running(scene: Scene) -> AsyncIterator[None]:
    """An Omega that looks by itself, on a connection of its own."""
    async with (
        open_network(scene.rig.bus.settings, scene.rig.subjects, name="omega") as network,
        Submitter(network) as submitter,
    ):
        work = asyncio.create_task(Schedules(network, submitter, scene.clock).run())
        yield
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)


class TestStarts:
    async def test_a_run_begins_each_time_it_is_due(self, scene: Scene) -> None:
        await scene.change("hourly", HOURLY)
        omega = scene.omega()
        for count in range(1, 4):
            await omega.look()
            assert len(await scene.starts()) == count - 1
            scene.clock.forward(hours=1)
            await omega.look()
            start = (await scene.starts())[-1]
            assert (start.input, start.labels) == ({"target": "."}, {"schedule": "hourly"})
            assert start.id == (await scene.record("hourly")).last_id
            await scene.end(start)
        assert len(await scene.starts()) == 3

    async def test_many_omegas_make_one_start_each_time(self, scene: Scene) -> None:
        for name in ("a", "b", "c"):
            await scene.change(name, HOURLY)
        omegas = [scene.omega() for _ in range(6)]
        for round_ in range(1, 4):
            scene.clock.forward(hours=1)
            await asyncio.gather(*(omega.look() for omega in omegas))
            starts = await scene.starts()
            assert len({start.id for start in starts}) == len(starts) == 3 * round_
            await asyncio.gather(*(scene.end(start) for start in starts[-3:]))

    async def test_by_cron_over_a_restart_of_all(self, scene: Scene) -> None:
        """Two days pass without any Omega; of the nights, the one is made up for that is not older than a day."""
        nightly = Schedule(
            workflow="plain", input={"target": "."}, cron="30 2 * * *", timezone="Europe/Berlin", catch_up_s=86_400
        )
        await scene.change("nightly", nightly)
        await scene.omega().look()
        scene.clock.forward(days=2)
        await asyncio.gather(scene.omega().look(), scene.omega().look())
        (start,) = await scene.starts()
        assert (await scene.record("nightly")).last_due == datetime(2026, 3, 3, 1, 30, tzinfo=UTC)
        await scene.end(start)
        await scene.omega().look()
        assert len(await scene.starts()) == 1

    async def test_what_was_missed_is_told(self, scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
        await scene.change("once", Schedule(workflow="plain", input={"target": "."}, at=scene.clock.now()))
        scene.clock.forward(hours=1)
        await scene.omega().look()
        assert await scene.starts() == []
        assert "starts of the schedule once were missed up to 2026-03-01 09:59" in caplog.text

    async def test_omegas_that_run_are_in_time_and_hear_of_changes(self, scene: Scene) -> None:
        async with running(scene), running(scene):
            await scene.change("hourly", HOURLY)
            scene.clock.forward(minutes=59)
            await scene.change("soon", Schedule(workflow="plain", input={"target": "."}, every_s=120.0))
            for count in (1, 2):
                scene.clock.forward(minutes=1)

                async def has_begun(count: int = count) -> bool:
                    return len(await scene.starts()) >= count

                await eventually(has_begun)
            await scene.change("soon", None)
            await scene.change("hourly", None)
        names = [start.labels["schedule"] for start in await scene.starts()]
        assert names == ["hourly", "soon"]


class TestDeaths:
    @pytest.mark.parametrize("dies", ["before", "after"])
    async def test_another_omega_makes_the_start_once(self, scene: Scene, dies: str) -> None:
        await scene.change("hourly", HOURLY)
        scene.clock.forward(hours=1)
        scene.submitter.dies = dies
        with pytest.raises(Killed):
            await scene.omega().look()
        scene.submitter.dies = None
        assert len(await scene.starts()) == (dies == "after")
        await asyncio.gather(scene.omega().look(), scene.omega().look())
        (start,) = await scene.starts()
        assert start.id == (await scene.record("hourly")).last_id

    async def test_one_that_was_there_all_the_time_makes_it_too(self, scene: Scene) -> None:
        await scene.change("hourly", HOURLY)
        other = scene.omega()
        await other.look()
        scene.clock.forward(hours=1)
        scene.submitter.dies = "before"
        with pytest.raises(Killed):
            await scene.omega().look()
        scene.submitter.dies = None
        await other.look()
        assert len(await scene.starts()) == 1

    @pytest.mark.parametrize("new", [None, Schedule(workflow="plain", input={"target": "other"}, every_s=60.0)])
    async def test_a_change_makes_it_first(self, scene: Scene, new: Schedule | None) -> None:
        """What the schedule was when the run was due would be known to nobody afterwards."""
        await scene.change("hourly", HOURLY)
        scene.clock.forward(hours=1)
        scene.submitter.dies = "before"
        with pytest.raises(Killed):
            await scene.omega().look()
        scene.submitter.dies = None
        await scene.change("hourly", new)
        (start,) = await scene.starts()
        assert start.input == {"target": "."}

    async def test_a_run_that_is_known_is_not_stored_again(self, scene: Scene) -> None:
        """The server keeps its message ids for two minutes only."""
        await scene.change("hourly", HOURLY)
        scene.clock.forward(hours=1)
        await scene.omega().look()
        (start,) = await scene.starts()
        await scene.end(start)
        await eventually(lambda: scene.is_copied(start))
        scene.submitter.dies = "before"
        await scene.omega().look()

    async def test_a_write_whose_answer_was_lost(self, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
        await scene.change("hourly", HOURLY)
        scene.clock.forward(hours=1)
        omega, real = scene.omega(), buckets.put

        async def lost(*arguments: Any, **options: Any) -> int | None:
            await real(*arguments, **options)
            raise RequestTimeout("no answer")

        with monkeypatch.context() as patched:
            patched.setattr(buckets, "put", lost)
            with pytest.raises(RequestTimeout):
                await omega.look()
        assert await scene.starts() == []
        await omega.look()
        assert len(await scene.starts()) == 1


class TestOverlap:
    async def overlapping(self, scene: Scene, overlap: Any) -> WorkflowStart:
        """Begin a run, and come to when the next one is due."""
        schedule = Schedule(workflow="plain", input={"target": "."}, every_s=3600.0, overlap=overlap)
        await scene.change("hourly", schedule)
        scene.clock.forward(hours=1)
        await scene.omega().look()
        scene.clock.forward(hours=1)
        (start,) = await scene.starts()
        return start

    async def test_skip(self, scene: Scene) -> None:
        first = await self.overlapping(scene, "skip")
        await scene.omega().look()
        await scene.end(first)
        await scene.omega().look()
        assert len(await scene.starts()) == 1
        scene.clock.forward(hours=1)
        await scene.omega().look()
        assert len(await scene.starts()) == 2

    async def test_buffer_one(self, scene: Scene) -> None:
        first = await self.overlapping(scene, "buffer_one")
        omega = scene.omega()
        await omega.look()
        scene.clock.forward(hours=1)
        await omega.look()
        assert len(await scene.starts()) == 1
        await scene.end(first)
        await asyncio.gather(omega.look(), scene.omega().look())
        assert len(await scene.starts()) == 2
        assert await scene.cancels() == []

    async def test_cancel_other(self, scene: Scene) -> None:
        first = await self.overlapping(scene, "cancel_other")
        omegas = [scene.omega(), scene.omega()]
        for _ in range(3):
            await asyncio.gather(*(omega.look() for omega in omegas))
        (cancel,) = await scene.cancels()
        assert (cancel.task_id, cancel.task_type, cancel.by) == (first.id, "workflow", "omega")
        assert cancel.reason == "the schedule hourly starts it anew"
        assert len(await scene.starts()) == 1
        await scene.end(first)
        await asyncio.gather(*(omega.look() for omega in omegas))
        assert len(await scene.starts()) == 2

    async def test_allow_all(self, scene: Scene) -> None:
        await self.overlapping(scene, "allow_all")
        await scene.omega().look()
        assert len(await scene.starts()) == 2

    async def test_a_run_is_over_although_its_result_has_expired(self, scene: Scene) -> None:
        """Results are kept for 30 days, and some schedules are due once a year."""
        first = await self.overlapping(scene, "skip")
        await scene.end(first)
        await eventually(lambda: scene.is_copied(first))
        subject = scene.rig.subjects.result("workflow", str(first.id))
        purge = f"STREAM.PURGE.{scene.rig.subjects.results}"
        await api(scene.rig.network.requester, purge, {"filter": subject})
        await scene.omega().look()
        assert len(await scene.starts()) == 2


class TestChanges:
    async def refused(self, scene: Scene, name: str, schedule: Schedule | None, **options: Any) -> str:
        with pytest.raises(TaskError) as told:
            await scene.change(name, schedule, **options)
        assert (told.value.code, told.value.retryable) == ("command_refused", False)
        return told.value.message

    async def test_it_is_put_into_force(self, scene: Scene) -> None:
        done = await scene.change("hourly", HOURLY, by="ann", reason="to see")
        assert done.summary == "the schedule hourly starts plain, every 3600 s; next 2026-03-01 10:00:00 UTC"
        assert done.output == {"name": "hourly", "revision": 1, "next": "2026-03-01T10:00:00+00:00"}
        record = await scene.record("hourly")
        assert (record.schedule, record.at, record.by, record.reason) == (HOURLY, scene.clock.now(), "ann", "to see")

    async def test_carried_out_again_it_is_done_once(self, scene: Scene) -> None:
        first = await scene.change("hourly", HOURLY, sequence=70)
        scene.clock.forward(minutes=30)
        assert await scene.change("hourly", HOURLY, sequence=70) == first
        assert [each.revision async for each in schedules(scene.rig.network)] == [1]

    async def test_an_older_one_than_is_in_force(self, scene: Scene) -> None:
        await scene.change("hourly", HOURLY, sequence=71)
        message = await self.refused(scene, "hourly", HOURLY, sequence=70)
        assert message == "a later change of the schedule hourly is in force, #71"

    @pytest.mark.parametrize(
        ("fields", "problem"),
        [
            ({"cron": "61 * * * *"}, "Bad minute"),
            ({"at": datetime(2026, 2, 28, tzinfo=UTC)}, "at 2026-02-28 00:00:00 UTC is past"),
            ({"workflow": "nothing", "every_s": 60.0}, "there is no workflow nothing; known: "),
            ({"input": {}, "every_s": 60.0}, "the input has no target"),
            (
                {"input": {"target": ".", "targets": "."}, "every_s": 60.0},
                "takes no input targets (did you mean target?)",
            ),
        ],
    )
    async def test_what_cannot_be_kept_is_refused(self, scene: Scene, fields: dict[str, Any], problem: str) -> None:
        wanted = Schedule(**{"workflow": "review", "input": {"target": "."}, **fields})
        assert problem in await self.refused(scene, "wrong", wanted)
        assert await standing(scene.rig.network, "wrong") is None

    async def test_paused_and_resumed(self, scene: Scene) -> None:
        await scene.change("hourly", HOURLY)
        done = await scene.change("hourly", Schedule(**{**fields_of(HOURLY), "paused": True}))
        assert done.summary.endswith("; paused")
        omega = scene.omega()
        scene.clock.forward(hours=2.5)
        await omega.look()
        await scene.change("hourly", HOURLY)
        await omega.look()
        assert await scene.starts() == []
        scene.clock.forward(hours=0.5)
        await omega.look()
        assert len(await scene.starts()) == 1

    async def test_removed(self, scene: Scene) -> None:
        await scene.change("hourly", HOURLY)
        omega = scene.omega()
        await omega.look()
        done = await scene.change("hourly", None)
        assert done.summary == "the schedule hourly is removed; a run that has begun goes on"
        assert (await scene.change("hourly", None)).summary == done.summary
        scene.clock.forward(hours=1)
        await omega.look()
        assert await scene.starts() == []
        assert "there is no schedule daily" in await self.refused(scene, "daily", None)
        await scene.change("hourly", HOURLY)
        assert (await scene.record("hourly")).last_id is None

    async def test_of_many_at_once_the_newest_stands(self, scene: Scene) -> None:
        told = await asyncio.gather(
            *(
                scene.change("hourly", Schedule(**{**fields_of(HOURLY), "labels": {"n": str(number)}}))
                for number in range(8)
            ),
            return_exceptions=True,
        )
        assert all(isinstance(each, Done) or "a later change" in str(each) for each in told)
        assert (await scene.record("hourly")).schedule.labels == {"n": "7"}


async def test_what_cannot_be_read_is_told_and_leaves_the_others_alone(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    subject = scene.rig.subjects.schedules
    plain = json.loads(encode(ScheduleInForce(schedule=HOURLY, at=scene.clock.now(), command=7)))
    elsewhere = plain | {"schedule": {"workflow": "review", "cron": "0 0 * * *", "timezone": "Moon/Tranquility"}}
    for name, body in (("broken", b"{"), ("elsewhere", json.dumps(elsewhere).encode())):
        await buckets.put(scene.rig.network.requester, buckets.subject_of(subject, name), body, 0)
    await scene.change("hourly", HOURLY)
    omega = scene.omega()
    with caplog.at_level(logging.ERROR):
        await omega.look()
    assert "the schedule broken cannot be kept here: the body is not JSON" in caplog.text
    assert "the schedule elsewhere cannot be kept here: 'Moon/Tranquility' is no time zone" in caplog.text
    scene.clock.forward(hours=1)
    await omega.look()
    assert len(await scene.starts()) == 1
    await scene.change("broken", HOURLY)
    assert (await scene.record("broken")).schedule == HOURLY


async def test_what_a_later_version_has_written_stays_when_the_schedule_goes_on(scene: Scene) -> None:
    subject = buckets.subject_of(scene.rig.subjects.schedules, "hourly")
    await scene.change("hourly", HOURLY)
    requester = scene.rig.network.requester
    standing = await buckets.last_in(requester, scene.rig.subjects.schedules, "hourly")
    assert standing is not None
    grown = json.loads(standing.data)
    grown["new"], grown["schedule"]["new"] = 1, {"x": 2}
    assert await buckets.put(requester, subject, json.dumps(grown).encode(), standing.sequence)
    omega = scene.omega()
    dealt_with = set()
    for _ in range(2):
        scene.clock.forward(hours=1)
        await omega.look()
        written = await buckets.last_in(requester, scene.rig.subjects.schedules, "hourly")
        assert written is not None
        found = json.loads(written.data)
        assert (found["new"], found["schedule"]["new"]) == (1, {"x": 2})
        dealt_with.add(found["done_until"])
    assert len(dealt_with) == 2
    assert len(await scene.starts()) == 1  # which is not over


def fields_of(schedule: Schedule) -> dict[str, Any]:
    return {name: getattr(schedule, name) for name in Schedule.__struct_fields__}
