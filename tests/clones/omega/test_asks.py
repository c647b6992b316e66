"""Tasks that ask for other clones' work: who may, what is inherited, and that nothing is done twice or left behind."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import msgspec
import pytest
from nats.aio.msg import Msg

from bus.client import Submitter
from bus.identity import Identity
from bus.jetstream import publish
from bus.network import Network, open_network
from bus.results import Results
from bus.server import EmbeddedServer
from bus.task import Done, Task, TaskError
from clones.asks import ask
from clones.base import Clone, serves
from clones.harness import network_of
from clones.omega import asks, deadlines
from clones.omega.asked_ids import AskedIds
from clones.omega.asks import Asks
from clones.omega.calls import CallRefused
from clones.omega.children import Children
from clones.omega.inheritance import inherited, left_s
from clones.omega.once import store_command
from clones.workflows.ids import secret_id
from schemas import (
    ErrorCode,
    Route,
    RoutingTable,
    TaskAsked,
    TaskAssignment,
    TaskCancel,
    TaskCompletion,
    TaskFailure,
    TaskResult,
    TaskStarted,
    decode,
    encode,
    sequence_id,
)
from tests.bus.eventually import eventually
from tests.bus.rig import QUICK, Runs, failure
from tests.clones.omega.test_deaths import Died, Mortal
from tests.clones.rig import ClonesRig, open_clones_rig

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    text: str = ""
    of: str = "count"


class Editor(Clone):
    name = "editor"
    routes: ClassVar = {
        "edit": Route(clone="editor", default_priority="high", timeout_s=20, retries=1, may_ask=("count", "again")),
        "again": Route(clone="editor", may_ask=("edit",)),
    }

    @serves("edit")
    async def edit(self, task: Task, params: Text) -> Done:
        asked = [self.workshop.ask(task, params.of, {"text": each}, timeout_s=9) for each in params.text.split()]
        results = await asyncio.gather(*asked)
        if task.attempt == 1 and params.text == "retry":
            raise TaskError(ErrorCode.HANDLER_FAILED, "not yet")
        outputs = [each.output if isinstance(each, TaskCompletion) else each.code for each in results]
        return Done(output=[outputs, [each.task_id for each in results]])

    @serves("again")
    async def again(self, task: Task, params: Text) -> Done:
        await self.workshop.ask(task, "edit", {"text": params.text})
        return Done()


class Counter(Clone):
    name = "counter"
    routes: ClassVar = {"count": Route(clone="counter")}
    counted: ClassVar[list[str]] = []

    @serves("count")
    async def count(self, task: Task, params: Text) -> Done:
        self.counted.append(params.text)
        if params.text == "bad":
            raise TaskError.incompatible("that is no text")
        return Done(output=len(params.text))


async def test_a_task_has_others_done_by_other_clones_and_they_inherit() -> None:
    """Each as its own user: a clone may ask, and hears of the answer."""
    Counter.counted.clear()
    async with network_of(Editor, Counter) as network:
        result = await network.run(
            "edit", {"text": "one three one bad"}, labels={"of": "us"}, traceparent=TRACE, schedule_to_close_s=60
        )
        assert isinstance(result, TaskCompletion), result
        outputs, ids = result.output
        assert outputs == [3, 5, 3, "incompatible_task"]
        # What is the same is asked for, and done, once.
        assert ids[0] == ids[2]
        assert sorted(Counter.counted) == ["bad", "one", "three"]
        asked = [event for event in await network.events("edit", result.task_id) if isinstance(event, TaskAsked)]
        told = [await AskedIds(network.network).child_of(event) for event in asked]
        assert set(told) == {("count", each) for each in ids}
        ledger = network.network.subjects.ledger
        answer = await network.network.client.jetstream().get_last_msg(ledger, "sanctuary.task.count.high")
        child = decode(TaskAssignment, answer.data or b"")
        assert (child.parent_type, child.parent_id, child.labels) == ("edit", result.task_id, {"of": "us"})
        assert (child.traceparent, child.timeout_s, child.schedule_to_close_s) == (TRACE, 9, 9)


@pytest.mark.parametrize(
    ("of", "code", "says"),
    [
        ("edit", "ask_refused", "edit may not ask for edit: `may_ask` of its route allows count, again"),
        ("cuont", "unknown_task_type", "no clone serves 'cuont'; known: again, edit, count"),
        ("again", "ask_refused", "edit would be asked for by itself: edit -> again -> edit"),
    ],
)
async def test_what_may_not_be_asked_for_is_refused_in_words(of: str, code: str, says: str) -> None:
    async with network_of(Editor, Counter) as network:
        result = await network.run("edit", {"text": "one", "of": of}, retries=0)
        if of == "again":
            assert isinstance(result, TaskCompletion), result
            result = await network.result("again", result.output[1][0])
        assert isinstance(result, TaskFailure), result
        assert result.code == code
        assert says in result.message


async def test_a_later_attempt_finds_what_an_earlier_one_asked_for() -> None:
    Counter.counted.clear()
    async with network_of(Editor, Counter) as network:
        result = await network.run("edit", {"text": "retry"})
        assert isinstance(result, TaskCompletion), result
        assert (result.attempt, result.output[0]) == (2, [5])
        assert Counter.counted == ["retry"]


class Hasty(Clone):
    name = "hasty"
    routes: ClassVar = {"hurry": Route(clone="hasty", may_ask=("dawdle",)), "dawdle": Route(clone="hasty")}
    dawdling: ClassVar[asyncio.Event]
    ended: ClassVar[list[str]] = []

    async def start(self) -> None:
        Hasty.dawdling = asyncio.Event()

    @serves("hurry")
    async def hurry(self, task: Task, params: Text) -> Done:
        asking = asyncio.create_task(self.workshop.ask(task, "dawdle", {}))
        await self.dawdling.wait()
        asking.cancel()
        raise TaskError.incompatible("no time")

    @serves("dawdle")
    async def dawdle(self, task: Task, params: Text) -> Done:
        self.dawdling.set()
        try:
            await asyncio.sleep(60)
        finally:
            self.ended.append(task.id)
        return Done()


async def test_what_a_handler_leaves_behind_ends_with_its_task() -> None:
    async with network_of(Hasty) as network:
        result = await network.run("hurry", {})
        assert isinstance(result, TaskFailure)
        (asked,) = [event for event in await network.events("hurry", result.task_id) if isinstance(event, TaskAsked)]
        _, own = await AskedIds(network.network).child_of(asked)
        child = await network.result("dawdle", own)
        assert isinstance(child, TaskFailure)
        assert child.message == f"cancelled, as hurry {result.task_id}, which had asked for it, has ended"
        await eventually(lambda: Hasty.ended == [child.task_id])


TABLE = RoutingTable(
    routes={
        "edit": Route(clone="beta", may_ask=("count",), timeout_s=600, backoff=QUICK),
        "count": Route(clone="gamma", may_ask=("weigh",), timeout_s=600, backoff=QUICK),
        "weigh": Route(clone="gamma", timeout_s=600),
    }
)


@asynccontextmanager
async def rig_of(server: EmbeddedServer, workspace: Path, table: RoutingTable = TABLE) -> AsyncIterator[ClonesRig]:
    async with open_clones_rig(server, workspace, table) as rig:
        yield rig


def body(key: str, *, parent: str = "p", parent_type: str = "edit", **params: object) -> bytes:
    return encode(TaskAssignment(id=key, params=params, parent_id=parent, parent_type=parent_type))


async def own_id(rig: ClonesRig, key: str, parent: str = "p") -> str:
    """The id of what `parent` asks for under a key."""
    return (await AskedIds(rig.network).child(("edit", parent), "count", key))[1]


async def asked(rig: ClonesRig, key: str, task_type: str = "count", **options: object) -> Msg:
    """What a program in any language does: ask until there is an answer."""
    while True:
        message = body(key, **options)  # type: ignore[arg-type]
        answer = await rig.network.requester.request(rig.subjects.ask(task_type), message, timeout_s=30)
        if answer.data or "Nats-Service-Error-Code" in (answer.headers or {}):
            return answer


def refusal(answer: Msg) -> tuple[str, str]:
    headers = answer.headers or {}
    return headers["Nats-Service-Error-Code"], headers["Nats-Service-Error"]


async def running(rig: ClonesRig, task_id: str = "p", task_type: str = "edit", **fields: object) -> int:
    """A task of which an attempt runs on an instance that nobody hears of any more."""
    submitted = await rig.submitter.submit(task_type, TaskAssignment(id=task_id, **fields))  # type: ignore[arg-type]
    started = TaskStarted(
        task_id=task_id,
        task_type=task_type,
        clone="beta",
        instance="beta-dead",
        attempt=1,
        at=datetime.now(UTC),
        sequence=submitted.sequence,
    )
    await publish(rig.network.requester, rig.subjects.event(task_type, task_id), encode(started))
    return submitted.sequence


async def cancelled(rig: ClonesRig, task_id: str, task_type: str = "edit") -> TaskResult:
    """Cancel a task, and return the verdict."""
    command = TaskCancel(task_id=task_id, task_type=task_type, by="ann", reason="too late")
    sequence = await store_command(rig.network, command)
    return await rig.submitter.result("command", sequence_id(sequence), timeout_s=60)


async def test_with_a_parent_its_thirty_running_children_are_cancelled(server: EmbeddedServer, workspace: Path) -> None:
    runs = Runs()
    async with rig_of(server, workspace) as rig, rig.omega(), rig.clone("gamma", {"count": runs}, capacity=40):
        await running(rig)
        waiting = [asyncio.create_task(asked(rig, f"c{number}", held=True)) for number in range(30)]
        await eventually(lambda: runs.running == 30)
        verdict = await cancelled(rig, "p")
        assert isinstance(verdict, TaskCompletion), verdict
        assert verdict.summary == "edit p is cancelled, and the 30 tasks that it had asked for"
        assert verdict.output["asked"] == sorted([await own_id(rig, f"c{number}") for number in range(30)])
        await eventually(lambda: len(runs.cancelled) == 30)
        for each in await asyncio.gather(*waiting):
            result = decode(TaskResult, each.data)
            assert isinstance(result, TaskFailure)
            assert result.code == "cancelled"
            assert result.message == "cancelled, as edit p, which had asked for it, has ended"
            # Unless the Omega that looks each second was faster.
            assert result.details.get("by") in ("ann", None)
        events = [event for event in await rig.bus.events("p", "edit") if isinstance(event, TaskAsked)]
        assert len(events) == 30
        assert {(event.attempt, event.instance) for event in events} == {(1, "beta-dead")}


async def test_what_another_omega_has_ended_counts_as_well(server: EmbeddedServer, workspace: Path) -> None:
    runs = Runs()
    async with rig_of(server, workspace) as rig, rig.omega(), rig.clone("gamma", {"count": runs}):
        await running(rig)
        waiting = [asyncio.create_task(asked(rig, key, held=True)) for key in ("a", "b")]
        await eventually(lambda: runs.running == 2)
        own = {await own_id(rig, key) for key in ("a", "b")}
        one, other = (Children(rig.network, Identity("omega")) for _ in range(2))
        assert await one.end("edit", "p") == own
        await asyncio.gather(*waiting)
        await eventually(lambda: nothing_is_left(rig))
        assert await other.end("edit", "p") == own


async def nothing_is_left(rig: ClonesRig) -> bool:
    return await rig.bus.unsettled("count") == 0


async def test_what_was_asked_for_ends_whoever_ended_the_first_and_what_that_asked_for_too(
    server: EmbeddedServer, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limit of time ends the first, of which nobody has an attempt any more; and what asks for nothing ends with nobody."""
    runs = Runs()
    async with rig_of(server, workspace) as rig, rig.omega(), rig.clone("gamma", {"count": runs, "weigh": runs}):
        await running(rig, schedule_to_close_s=600)
        child = asyncio.create_task(asked(rig, "c", held=True))
        await eventually(lambda: runs.running == 1)
        own = await own_id(rig, "c")
        grandchild = asyncio.create_task(asked(rig, "g", "weigh", parent=own, parent_type="count", held=True))
        # Somebody's own, whatever it names.
        fields = {"parent_id": "p", "parent_type": "edit", "params": {"held": True}}
        await rig.submitter.submit("weigh", TaskAssignment(id="own", **fields))  # type: ignore[arg-type]
        await eventually(lambda: runs.running == 3)
        ahead = SimpleNamespace(time=lambda: time.time() + 700, monotonic=time.monotonic)
        monkeypatch.setattr(deadlines, "time", ahead)
        assert getattr(await rig.bus.result("p", "edit"), "code", None) == "deadline_exceeded"
        ids = []
        for each in await asyncio.gather(child, grandchild):
            result = decode(TaskResult, each.data)
            assert isinstance(result, TaskFailure)
            assert result.code in ("cancelled", "deadline_exceeded"), result
            ids.append(result.task_id)
        assert ids[0] == own
        await eventually(lambda: sorted(runs.cancelled) == sorted(ids))
        assert await rig.network.results.read("weigh", "own") is None


async def test_only_what_runs_may_ask(server: EmbeddedServer, workspace: Path) -> None:
    async with rig_of(server, workspace) as rig, rig.omega():
        await rig.submitter.submit("edit", TaskAssignment(id="waits"))
        assert refusal(await asked(rig, "c", parent="waits")) == (
            "ask_refused",
            "only a task that runs may ask for another one: edit waits is queued, or its first attempt has just begun",
        )
        await running(rig)
        await cancelled(rig, "p")
        assert refusal(await asked(rig, "c")) == (
            "ask_refused",
            "only a task that runs may ask for another one: edit p has ended",
        )
        nobody = "who asks names itself in `parent_type` and `parent_id`, and the task that it asks for in `id`"
        answer = await rig.network.requester.request(rig.subjects.ask("count"), b"{}", timeout_s=30)
        assert refusal(answer) == ("invalid_assignment", nobody)
        assert await rig.bus.in_stream(rig.subjects.ledger, rig.subjects.task("count")) == []


async def test_another_omega_answers_for_the_one_that_is_gone(server: EmbeddedServer, workspace: Path) -> None:
    runs = Runs()
    async with rig_of(server, workspace) as rig, rig.clone("gamma", {"count": runs}):
        await running(rig)
        async with rig.omega() as first:
            waiting = asyncio.create_task(ask(rig.network, task_of("p"), "count", {"sleep_s": 3}))
            await eventually(lambda: runs.running == 1)
            await first.ended()
        async with rig.omega():
            result = await waiting
        assert isinstance(result, TaskCompletion), result
        assert len(runs.starts) == 1


async def test_nobody_knows_the_id_of_what_is_asked_for_before_it_is_stored(
    server: EmbeddedServer, workspace: Path
) -> None:
    """Neither the key nor anything that events tell is it, and each network makes others of the same."""
    seen: set[str] = set()
    for realm in ("one", "other"):
        async with rig_of(server, workspace) as rig, rig.omega():
            await running(rig)
            asking = asyncio.create_task(asked(rig, "c"))
            child = await own_id(rig, "c")
            await eventually(lambda: stored(rig, child))  # noqa: B023  it is awaited here
            asking.cancel()
            (told,) = [event for event in await rig.bus.events("p", "edit") if isinstance(event, TaskAsked)]
            assert (told.child_type, told.child_key, told.child_id) == ("count", "c", "")
            for place in ("edit/p/count/c", "c"):
                assert child not in (place, secret_id("", place)), realm
            # Any other Omega finds the same, after a break of its connection too.
            assert await AskedIds(rig.network).child_of(told) == ("count", child)
            seen.add(child)
    assert len(seen) == 2


async def test_what_an_omega_of_an_earlier_version_was_asked_for_is_done_once(
    server: EmbeddedServer, workspace: Path
) -> None:
    """The key was the id, and events told it."""
    runs = Runs()
    async with rig_of(server, workspace) as rig, rig.clone("gamma", {"count": runs}):
        sequence = await running(rig)
        told = TaskAsked(
            task_id="p",
            task_type="edit",
            clone="beta",
            instance="beta-dead",
            attempt=1,
            at=datetime.now(UTC),
            sequence=sequence,
            child_type="count",
            child_id="c",
        )
        await publish(rig.network.requester, rig.subjects.event("edit", "p"), encode(told))
        await rig.submitter.submit("count", TaskAssignment(id="c", parent_id="p", parent_type="edit"))
        async with rig.omega():
            answer = await asked(rig, "c")
        assert decode(TaskResult, answer.data).task_id == "c"
        assert runs.starts == [("c", 1)]


def task_of(task_id: str) -> Task:
    now = datetime.now(UTC)
    fields = {field.name: None for field in msgspec.structs.fields(Task) if field.required}
    told = {"id": task_id, "task_type": "edit", "params": {}, "attempt": 1, "stored_at": now, "started_at": now}
    return Task(**fields | told)  # type: ignore[arg-type]


@pytest.mark.parametrize("once_answered", [False, True])
async def test_wherever_its_omega_dies_what_is_asked_for_is_stored_once(
    server: EmbeddedServer, workspace: Path, monkeypatch: pytest.MonkeyPatch, *, once_answered: bool
) -> None:
    monkeypatch.setattr(asks, "HELD_S", 60.0)
    async with rig_of(server, workspace) as rig, Submitter(rig.network) as submitter:
        deaths = 0
        while True:
            parent = f"p{deaths}"
            child = await own_id(rig, "c", parent)
            await running(rig, parent)
            request = Asked(rig.subjects.ask("count"), body("c", parent=parent))
            async with open_network(rig.bus.settings, rig.subjects, name="omega") as network:
                mortal = MortalSender(network.requester, deaths, once_answered=once_answered)
                network.requester, network.results = mortal, Results(mortal, network.subjects)
                dying = Holding(network)
                async with dying:
                    answering = asyncio.create_task(asks_of(network, dying).answer(request))
                    await eventually(lambda: mortal.died or dying.holds)  # noqa: B023  it is awaited here
                    answering.cancel()
                    with pytest.raises((Died, CallRefused)):
                        await answering
                    if not mortal.died:
                        break  # it had stored all, and held the request
            results = asyncio.gather(*(asks_of(rig.network, submitter).answer(request) for _ in range(2)))
            await eventually(lambda: stored(rig, child))  # noqa: B023  it is awaited here
            await rig.network.results.settle(msgspec.structs.replace(failure(child), task_type="count"))
            assert [each.task_id for each in await results if each is not None] == [child] * 2
            events = [event for event in await rig.bus.events(parent, "edit") if isinstance(event, TaskAsked)]
            assert len(events) == 1, f"died at request {deaths}"
            deaths += 1
        assert deaths >= 5


async def stored(rig: ClonesRig, child: str) -> bool:
    """Tell whether a task stands in the ledger; it must not stand there twice."""
    tasks = await rig.bus.in_stream(rig.subjects.ledger, f"{rig.subjects.task('count')}.*")
    found = [each for each in tasks if decode(TaskAssignment, each.data).id == child]
    assert len(found) <= 1
    return len(found) == 1


class MortalSender(Mortal):
    """One that submits as well."""

    def send(self, *arguments: Any, **options: Any) -> "asyncio.Future[Msg]":
        return asyncio.ensure_future(self._live(lambda: self._inner.request(*arguments, **options)))


class Holding(Submitter):
    """Tells when all is done but to wait for a result."""

    holds = False

    async def result(self, task_type: str, task_id: str, *, timeout_s: float | None = None) -> TaskResult:
        await self._network.results.read(task_type, task_id)  # one more at which to die
        self.holds = True
        return await super().result(task_type, task_id, timeout_s=timeout_s)


class Asked:
    """A request, as far as it is looked at."""

    headers = None

    def __init__(self, subject: str, data: bytes) -> None:
        self.subject = subject
        self.data = data


def asks_of(network: Network, submitter: Submitter) -> Any:
    return Asks(network, submitter, Identity("omega"), lambda: TABLE)


NOW = datetime.now(UTC)


def attempt(number: int = 1, forgiven: int = 0) -> TaskStarted:
    return TaskStarted(
        task_id="p", task_type="edit", clone="a", instance="a-1", attempt=number, at=NOW, forgiven=forgiven
    )


@pytest.mark.parametrize(
    ("assignment", "event", "left"),
    [
        ({}, attempt(), 3 * 20 - 5),
        ({}, attempt(3), 20 - 5),
        ({}, attempt(5, forgiven=3), 2 * 20 - 5),
        ({"retries": 0, "timeout_s": 100}, attempt(), 95),
        ({"schedule_to_close_s": 40}, attempt(), 30),
        ({"schedule_to_close_s": 4}, attempt(), 0.001),
    ],
)
def test_no_more_time_than_the_one_that_asks_has_left(
    assignment: dict[str, Any], event: TaskStarted, left: float
) -> None:
    """Stored ten seconds ago, running for five, with two retries of 20 s."""
    told = left_s(
        TaskAssignment(**assignment),
        Route(clone="a", timeout_s=20, retries=2),
        event,
        stored_at=NOW - timedelta(seconds=10),
        started_at=NOW - timedelta(seconds=5),
        now=NOW,
    )
    assert told == pytest.approx(left)


def test_what_is_inherited() -> None:
    parent = TaskAssignment(labels={"a": "1", "b": "1"}, traceparent=TRACE)
    wanted = TaskAssignment(id="c", labels={"b": "2"}, schedule_to_close_s=9, reply_to="_INBOX.x", retry_of="y")
    told = inherited(wanted, parent, left_s=7)
    assert (told.labels, told.traceparent, told.schedule_to_close_s) == ({"a": "1", "b": "2"}, TRACE, 7)
    assert (told.reply_to, told.retry_of) == (None, None)
    assert inherited(wanted, parent, left_s=None).schedule_to_close_s == 9
    assert inherited(TaskAssignment(), parent, left_s=None).schedule_to_close_s is None
