"""What an instance tells of itself, and how soon."""

import asyncio
import time

import msgspec
import pytest
from nats.errors import NoRespondersError
from nats.errors import TimeoutError as NoAnswer

from bus.identity import Identity
from bus.network import open_network
from bus.server import EmbeddedServer
from bus.subjects import Subjects
from bus.task import Done, Task
from bus.topology import Limits
from clones.daemon import Daemon
from clones.offer import Offer
from clones.omega.coordination import make_network
from clones.routing import DEFAULT_TABLE
from schemas import Heartbeat, Route, RoutingTable, StatusResponse, TaskAssignment, decode
from tests.bus.eventually import eventually
from tests.clones.rig import ClonesRig, Running, put_table


async def at_once(_: Task) -> Done:
    return Done(summary="done")


async def status(rig: ClonesRig, running: Running) -> StatusResponse | None:
    """What the instance answers, or None where it is not there yet."""
    subject = rig.subjects.status(running.identity.clone, running.identity.instance)
    try:
        answer: StatusResponse = decode(StatusResponse, (await rig.network.client.request(subject, timeout=5)).data)
    except (NoRespondersError, NoAnswer):
        return None
    return answer


async def ready(rig: ClonesRig, running: Running) -> StatusResponse:
    answers: list[StatusResponse | None] = []

    async def is_ready() -> bool:
        answers[:] = (await status(rig, running),)
        return answers[0] is not None and answers[0].state == "ready"

    await eventually(is_ready)
    assert answers[0] is not None
    return answers[0]


async def test_what_it_serves_follows_the_routing_table(clones_rig: ClonesRig) -> None:
    async with clones_rig.clone("gamma", {"architecture": at_once, "documentation": at_once}) as gamma:
        first = await ready(clones_rig, gamma)
        assert (first.task_types, first.fallback_types) == (("architecture",), ("documentation",))
        routes = {**DEFAULT_TABLE.routes, "documentation": Route(clone="gamma")}
        table = msgspec.structs.replace(DEFAULT_TABLE, routes=routes)
        revision = await put_table(clones_rig.network, table, base_revision=first.routes_revision)

        async def follows() -> bool:
            answer = await status(clones_rig, gamma)
            return answer is not None and answer.routes_revision == revision

        await eventually(follows)
        then = await ready(clones_rig, gamma)
        assert (then.task_types, then.fallback_types) == (("architecture", "documentation"), ())
        assert then.handlers == ("architecture", "documentation")


async def test_it_tells_what_its_code_can_do_in_the_table_or_not_and_a_canarys_share(clones_rig: ClonesRig) -> None:
    offer = Offer("gamma", {"architecture": at_once, "ocr": at_once}, clones_rig.subjects)
    identity, stop = Identity("gamma"), asyncio.Event()
    daemon = Daemon(clones_rig.network, identity, offer, capacity=1, share=0.25)
    running = asyncio.create_task(daemon.run(stop))
    answer = await ready(clones_rig, Running(daemon, identity, clones_rig.network, stop, running))
    assert (answer.task_types, answer.handlers, answer.share) == (("architecture",), ("architecture", "ocr"), 0.25)
    stop.set()
    await running


@pytest.mark.usefixtures("long_leases")
async def test_it_tells_the_queues_of_what_it_serves_and_omega_tells_all(clones_rig: ClonesRig) -> None:
    release = asyncio.Event()

    async def waits(_: Task) -> Done:
        await release.wait()
        return Done(summary="done")

    async with clones_rig.omega() as omega, clones_rig.clone("gamma", {"architecture": waits}, capacity=1) as gamma:
        await ready(clones_rig, gamma)
        for _ in range(3):
            await clones_rig.submitter.submit("architecture", TaskAssignment())
        await clones_rig.submitter.submit("testing", TaskAssignment(), priority="low")

        async def told(running: Running) -> set[tuple[str, str, int, int]]:
            answer = await ready(clones_rig, running)
            if running is gamma:
                assert {queue.task_type for queue in answer.queues} <= {"architecture"}
            return {
                (queue.task_type, queue.priority, queue.waiting, queue.taken)
                for queue in answer.queues
                if queue.waiting or queue.taken
            }

        async def gamma_tells() -> bool:
            return await told(gamma) == {("architecture", "high", 2, 1)}

        async def omega_tells() -> bool:
            return await told(omega) == {("architecture", "high", 2, 1), ("testing", "low", 1, 0)}

        await eventually(gamma_tells)
        await eventually(omega_tells)
        release.set()


async def test_even_one_that_drains_at_once_says_so(clones_rig: ClonesRig) -> None:
    heard: list[Heartbeat] = []
    subject = clones_rig.subjects.heartbeat("gamma", "*")
    await clones_rig.network.client.listen(subject, lambda message: heard.append(decode(Heartbeat, message.data)))
    async with clones_rig.clone("gamma", {"architecture": at_once}) as gamma:
        await ready(clones_rig, gamma)
    await eventually(lambda: bool(heard) and heard[-1].state == "draining")


async def test_an_answer_does_not_wait_for_what_does_not_answer(server: EmbeddedServer) -> None:
    # A clone that may not look at the queues of its types: the server drops its requests without a word to the asker.
    subjects = Subjects("sanctuary")
    table = RoutingTable(routes={"security": Route(clone="gamma")})
    async with open_network(server.settings_for("operator"), subjects, name="operator") as network:
        revision = await put_table(network, table)
        await make_network(network, Limits())
        async with open_network(server.settings_for("gamma"), subjects, name="gamma") as own:
            identity = Identity("gamma")
            daemon = Daemon(own, identity, Offer("gamma", {"security": at_once}, subjects), capacity=1)
            stop = asyncio.Event()
            running = asyncio.create_task(daemon.run(stop))
            quickest_s = 60.0
            subject = subjects.status("gamma", identity.instance)

            async def knows() -> bool:
                nonlocal quickest_s
                begun = time.monotonic()
                try:
                    answered = await network.client.request(subject, timeout=5)
                except (NoRespondersError, NoAnswer):
                    return False
                answer: StatusResponse = decode(StatusResponse, answered.data)
                if answer.routes_revision != revision:
                    return False
                quickest_s = min(quickest_s, time.monotonic() - begun)
                assert answer.queues == ()
                return quickest_s < 0.25

            await eventually(knows)
            stop.set()
            await running
