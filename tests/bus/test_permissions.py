"""Who may do what on the embedded server; every refusal is shown against a stream that would have stored it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable

import pytest
import pytest_asyncio
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import NoRespondersError
from nats.micro import add_service
from nats.micro.request import Request

from bus.connection import Connection, connect
from bus.network import open_network
from bus.record_reader import record, records
from bus.server import EmbeddedServer
from bus.subjects import Subjects
from tests.bus.eventually import WITHIN_S, eventually
from tests.bus.streams import api, make_streams, stored

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUIET_S = 0.2
"""How long nothing is awaited; the server's own refusal or flush has already come back by then."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def operator(server: EmbeddedServer) -> AsyncIterator[Client]:
    async with await connect(server.settings_for("operator"), name="operator", wait_s=WITHIN_S) as connection:
        await make_streams(connection.client)
        yield connection.client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def beta(server: EmbeddedServer, operator: Client) -> AsyncIterator[Connection]:
    async with await connect(server.settings_for("beta"), name="beta", wait_s=WITHIN_S) as connection:
        yield connection


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def anybody(server: EmbeddedServer, operator: Client) -> AsyncIterator[Connection]:
    async with await connect(server.anonymous_settings(), name="anybody", wait_s=WITHIN_S) as connection:
        yield connection


async def collect(client: Client, subject: str, payload: bytes, count: int) -> list[bytes]:
    """Publish a request and return its first `count` answers."""
    inbox = client.new_inbox()
    subscription = await client.subscribe(inbox)
    await client.publish(subject, payload, reply=inbox)
    answers = [(await subscription.next_msg(timeout=WITHIN_S)).data for _ in range(count)]
    await subscription.unsubscribe()
    return sorted(answers)


async def assert_refused(connection: Connection, subject: str, *, reply: str = "") -> None:
    before = len(connection.refusals)
    await connection.publish(subject, b"{}", reply=reply)
    await connection.client.flush()
    refusals = connection.refusals[before:]
    assert [(refusal.operation, refusal.subject) for refusal in refusals] == [("publish", subject.lower())]


async def assert_silent(client: Client, subject: str, act: "asyncio.Future[None]") -> None:
    subscription = await client.subscribe(subject)
    await client.flush()
    await act
    with pytest.raises(TimeoutError):
        await subscription.next_msg(timeout=QUIET_S)
    await subscription.unsubscribe()


class TestAnybody:
    async def test_a_plain_publish_with_a_reply_subject_gets_the_puback(self, anybody: Connection) -> None:
        answer = await anybody.client.request("sanctuary.task.security", b"{}", timeout=WITHIN_S)
        assert b'"stream":"SANCTUARY_LEDGER"' in answer.data

    async def test_starts_a_workflow(self, anybody: Connection) -> None:
        answer = await anybody.client.request("sanctuary.workflow.review", b"{}", timeout=WITHIN_S)
        assert b'"seq"' in answer.data

    @pytest.mark.parametrize("subject", ["sanctuary.settle.security.forged", "sanctuary.result.security.forged"])
    async def test_a_reply_subject_of_the_network_stores_no_result(
        self, anybody: Connection, operator: Client, subject: str
    ) -> None:
        before = (await stored(operator, "SANCTUARY_LEDGER")).get("sanctuary.task.security", 0)
        await anybody.publish("sanctuary.task.security", b"{}", reply=subject)
        await anybody.client.request("sanctuary.task.security", b"{}", timeout=WITHIN_S)  # behind the forgery, in order
        assert (await stored(operator, "SANCTUARY_LEDGER"))["sanctuary.task.security"] == before + 2
        assert "sanctuary.result.security.forged" not in await stored(operator, "SANCTUARY_RESULTS")

    async def test_a_reply_subject_that_is_a_command_call_reaches_nobody(
        self, anybody: Connection, operator: Client
    ) -> None:
        async def forge() -> None:
            await anybody.publish("sanctuary.task.security", b"{}", reply="sanctuary.call.command")
            await anybody.client.request("sanctuary.task.security", b"{}", timeout=WITHIN_S)

        await assert_silent(operator, "sanctuary.call.command", asyncio.ensure_future(forge()))

    async def test_reads_a_stored_result(self, anybody: Connection, beta: Connection) -> None:
        await beta.client.request("sanctuary.settle.security.read-me", b'{"n":1}', timeout=WITHIN_S)
        subject = "sanctuary.result.security.read-me"
        answer = await anybody.client.request(f"$JS.API.DIRECT.GET.SANCTUARY_RESULTS.{subject}", b"", timeout=WITHIN_S)
        assert (answer.data, (answer.headers or {})["Nats-Subject"]) == (b'{"n":1}', subject)

    async def test_reads_the_routing_table(self, anybody: Connection, operator: Client) -> None:
        await (await operator.jetstream(timeout=WITHIN_S).key_value("sanctuary_routes")).put("table", b"routes")
        subject = "$JS.API.DIRECT.GET.KV_sanctuary_routes.$KV.sanctuary_routes.table"
        assert (await anybody.client.request(subject, b"", timeout=WITHIN_S)).data == b"routes"

    async def test_sees_stored_results_once_and_refused_ones_never(self, anybody: Connection, beta: Connection) -> None:
        subscription = await anybody.client.subscribe("sanctuary.result.security.race")
        await anybody.client.flush()
        first = await beta.client.request("sanctuary.settle.security.race", b"first", timeout=WITHIN_S)
        second = await beta.client.request("sanctuary.settle.security.race", b"second", timeout=WITHIN_S)
        assert b'"error"' not in first.data
        assert b"10077" in second.data
        seen = await subscription.next_msg(timeout=WITHIN_S)
        assert (seen.data, "Nats-Sequence" in (seen.headers or {})) == (b"first", True)
        with pytest.raises(TimeoutError):
            await subscription.next_msg(timeout=QUIET_S)

    async def test_sees_events(self, anybody: Connection, beta: Connection) -> None:
        subscription = await anybody.client.subscribe("sanctuary.event.>")
        await anybody.client.flush()
        await beta.client.request("sanctuary.event.security.t1", b"started", timeout=WITHIN_S)
        assert (await subscription.next_msg(timeout=WITHIN_S)).data == b"started"

    async def test_receives_what_a_worker_sends_to_its_inbox(self, anybody: Connection, beta: Connection) -> None:
        inbox = anybody.client.new_inbox()
        subscription = await anybody.client.subscribe(inbox)
        await anybody.client.flush()
        await beta.publish(inbox, b"your result")
        assert (await subscription.next_msg(timeout=WITHIN_S)).data == b"your result"

    @pytest.mark.parametrize(
        "subject",
        [
            "sanctuary.call.command",
            "sanctuary.command.security",
            "sanctuary.ask.security",
            "sanctuary.history.w",
            "sanctuary.checkpoint.log",
            "sanctuary.nudge.w",
            "$KV.sanctuary_workflows.review.9",
            "$KV.sanctuary_sleepers.w",
            "$KV.sanctuary_secrets.asks",
            "$KV.sanctuary_schedules.nightly",
            "sanctuary.handover.security.beta",
            "sanctuary.presence.security",
            "sanctuary.settle.security.x",
            "sanctuary.settle.command.seq-1",
            "sanctuary.result.security.x",
            "sanctuary.event.security.x",
            "sanctuary.escalation.high.beta",
            "sanctuary.heartbeat.beta.1",
            "$JS.API.INFO",
            "$JS.API.STREAM.LIST",
            "$JS.API.STREAM.DELETE.SANCTUARY_LEDGER",
            "$JS.API.STREAM.INFO.SANCTUARY_RESULTS",
            "$JS.API.CONSUMER.MSG.NEXT.SANCTUARY_LEDGER.task_security",
            "$JS.API.DIRECT.GET.SANCTUARY_LEDGER.sanctuary.task.security",
            "$JS.API.DIRECT.GET.SANCTUARY_LEDGER.sanctuary.history.w",
            "$JS.API.DIRECT.GET.SANCTUARY_LEDGER",
            "$JS.API.DIRECT.GET.KV_sanctuary_schedules.$KV.sanctuary_schedules.nightly",
            "$JS.API.DIRECT.GET.KV_sanctuary_sleepers.$KV.sanctuary_sleepers.w",
            "$JS.API.DIRECT.GET.KV_sanctuary_secrets.$KV.sanctuary_secrets.asks",
            "$JS.ACK.SANCTUARY_LEDGER.task_security.1.1.1.1.0",
            "$KV.sanctuary_routes.security",
            "$O.sanctuary_artifacts.M.x",
        ],
    )
    async def test_may_not(self, anybody: Connection, subject: str) -> None:
        await assert_refused(anybody, subject)

    async def test_reads_no_other_client_s_requests_even_through_a_wildcard(
        self, server: EmbeddedServer, anybody: Connection
    ) -> None:
        async with await connect(server.anonymous_settings(), name="nosy", wait_s=WITHIN_S) as nosy:
            for subject in ("sanctuary.task.>", "sanctuary.call.>"):
                await nosy.client.subscribe(subject)
            await nosy.client.flush()
            assert [refusal.operation for refusal in nosy.refusals] == ["subscription", "subscription"]
            ask = anybody.client.request("sanctuary.task.security", b'{"secret":1}', timeout=WITHIN_S)
            await assert_silent(nosy.client, "sanctuary.>", asyncio.ensure_future(_discard(ask)))

    async def test_finds_micro_services_and_calls_them(self, anybody: Connection, operator: Client) -> None:
        async def answer(request: Request) -> None:
            await request.respond(b"done")

        service = await add_service(operator, name="sanctuary", version="0.1.0")
        await service.add_endpoint(name="call", subject="sanctuary.call.*", handler=answer, queue_group="omega")
        await operator.flush()
        assert b"io.nats.micro.v1.ping_response" in (await collect(anybody.client, "$SRV.PING", b"", 1))[0]
        assert (await anybody.client.request("sanctuary.call.security", b"{}", timeout=WITHIN_S)).data == b"done"
        await service.stop()


class TestStatus:
    async def test_every_instance_answers_every_asker(
        self, server: EmbeddedServer, anybody: Connection, operator: Client, beta: Connection
    ) -> None:
        async with (
            await connect(server.settings_for("gamma"), name="gamma", wait_s=WITHIN_S) as gamma,
            await connect(server.anonymous_settings(), name="somebody else", wait_s=WITHIN_S) as other,
        ):
            for clone in (beta, gamma):

                async def answer(query: Msg, name: bytes = clone.name.encode()) -> None:
                    await query.respond(name)

                await clone.client.subscribe("sanctuary.status", cb=answer)
                await clone.client.subscribe(f"sanctuary.status.{clone.name}.>", cb=answer)
                await clone.client.flush()
            for asker in (anybody.client, other.client, operator):
                assert await collect(asker, "sanctuary.status", b"{}", 2) == [b"beta", b"gamma"]
            assert await collect(anybody.client, "sanctuary.status.gamma.1", b"{}", 1) == [b"gamma"]


class TestClone:
    @pytest.mark.parametrize(
        ("consumer", "subject"),
        [
            ("task_security", "sanctuary.task.security"),
            ("handover_security+beta", "sanctuary.handover.security.beta"),
        ],
    )
    async def test_takes_acknowledges_and_inspects_its_own_tasks(
        self, operator: Client, beta: Connection, consumer: str, subject: str
    ) -> None:
        await operator.request(subject, b'{"mine":1}', timeout=WITHIN_S)
        inbox = beta.client.new_inbox()
        assert inbox.startswith("_INBOX_beta.")
        subscription = await beta.client.subscribe(inbox)
        pull = f"$JS.API.CONSUMER.MSG.NEXT.SANCTUARY_LEDGER.{consumer}"
        await beta.publish(pull, b'{"batch":1,"expires":30000000000}', reply=inbox)
        task = await subscription.next_msg(timeout=WITHIN_S)
        assert task.subject == subject
        await beta.client.request(task.reply, b"+ACK", timeout=WITHIN_S)
        info = await api(beta.client, f"CONSUMER.INFO.SANCTUARY_LEDGER.{consumer}")
        assert info["ack_floor"]["consumer_seq"] == 1
        ledger = await api(beta.client, "STREAM.INFO.SANCTUARY_LEDGER")
        assert ledger["config"]["name"] == "SANCTUARY_LEDGER"

    async def test_reads_the_ledger_and_the_results(self, beta: Connection) -> None:
        await beta.client.request("sanctuary.event.security.t2", b"event", timeout=WITHIN_S)
        answer = await beta.client.request(
            "$JS.API.DIRECT.GET.SANCTUARY_LEDGER.sanctuary.event.security.t2", b"", timeout=WITHIN_S
        )
        assert answer.data == b"event"
        batch = b'{"batch":10,"next_by_subj":"sanctuary.event.>","seq":1}'
        assert (
            await beta.client.request("$JS.API.DIRECT.GET.SANCTUARY_LEDGER", batch, timeout=WITHIN_S)
        ).subject.startswith("_INBOX_beta.")

    async def test_stores_replaces_and_reads_artifacts(self, beta: Connection) -> None:
        store = await beta.client.jetstream(timeout=WITHIN_S).object_store("sanctuary_artifacts")
        await store.put("report.html", b"x" * 300_000)
        await store.put("report.html", b"y" * 300_001)
        assert (await store.get("report.html")).data == b"y" * 300_001

    async def test_reads_the_routes(self, beta: Connection, operator: Client) -> None:
        await (await operator.jetstream(timeout=WITHIN_S).key_value("sanctuary_routes")).put("table", b"routes")
        subject = "$JS.API.DIRECT.GET.KV_sanctuary_routes.$KV.sanctuary_routes.table"
        assert (await beta.client.request(subject, b"", timeout=WITHIN_S)).data == b"routes"

    async def test_hears_how_its_own_tasks_ended(self, beta: Connection, operator: Client) -> None:
        results = await beta.client.subscribe("sanctuary.result.security.*")
        await beta.client.flush()
        await operator.request("sanctuary.settle.security.by-operator", b"cancelled", timeout=WITHIN_S)
        assert (await results.next_msg(timeout=WITHIN_S)).data == b"cancelled"

    async def test_escalates_in_its_own_name(self, beta: Connection) -> None:
        assert b'"seq"' in (await beta.client.request("sanctuary.escalation.high.beta", b"{}", timeout=WITHIN_S)).data

    async def test_a_fallback_learns_whether_a_primary_is_present(
        self, server: EmbeddedServer, beta: Connection
    ) -> None:
        async with await connect(server.settings_for("delta"), name="delta", wait_s=WITHIN_S) as delta:
            with pytest.raises(NoRespondersError):
                await beta.client.request("sanctuary.presence.testing", b"", timeout=WITHIN_S)

            async def answer(probe: Msg) -> None:
                await probe.respond(b"here")

            await delta.client.subscribe("sanctuary.presence.testing", queue="primaries", cb=answer)
            await delta.client.flush()
            inbox = beta.client.new_inbox()
            answers = await beta.client.subscribe(f"{inbox}.*")
            for number in range(50):
                await beta.publish("sanctuary.presence.testing", b"", reply=f"{inbox}.{number}")
            for _ in range(50):
                assert (await answers.next_msg(timeout=WITHIN_S)).data == b"here"
            assert "sanctuary.presence.testing" not in {refusal.subject for refusal in beta.refusals}
            assert delta.refusals == ()

    @pytest.mark.parametrize(
        "subject",
        [
            "sanctuary.settle.architecture.x",
            "sanctuary.event.architecture.x",
            "sanctuary.result.security.x",
            "sanctuary.task.architecture",
            "sanctuary.task.security.high",
            "sanctuary.command.security",
            "sanctuary.call.command",
            "sanctuary.history.w",
            "sanctuary.checkpoint.log",
            "sanctuary.nudge.w",
            "$KV.sanctuary_workflows.review.9",
            "$KV.sanctuary_sleepers.w",
            "$KV.sanctuary_secrets.asks",
            "$KV.sanctuary_schedules.nightly",
            "sanctuary.workflow.review",
            "sanctuary.handover.security.beta",
            "sanctuary.presence.architecture",
            "sanctuary.event.instance.gamma-1",
            "sanctuary.settle.command.seq-1",
            "sanctuary.settle.escalation.seq-1",
            "sanctuary.escalation.high.gamma",
            "sanctuary.heartbeat.gamma.1",
            "$JS.API.CONSUMER.MSG.NEXT.SANCTUARY_LEDGER.task_architecture",
            "$JS.API.CONSUMER.MSG.NEXT.SANCTUARY_LEDGER.handover_security+delta",
            "$JS.API.CONSUMER.MSG.NEXT.SANCTUARY_LEDGER.commands",
            "$JS.API.CONSUMER.MSG.NEXT.SANCTUARY_LEDGER.escalations",
            "$JS.API.CONSUMER.MSG.NEXT.SANCTUARY_LEDGER.workflows",
            "$JS.ACK.SANCTUARY_LEDGER.task_architecture.1.1.1.1.0",
            "$JS.ACK.SANCTUARY_LEDGER.handover_security+delta.1.1.1.1.0",
            "$JS.ACK.SANCTUARY_LEDGER.commands.1.1.1.1.0",
            "$JS.API.CONSUMER.CREATE.SANCTUARY_LEDGER.mine",
            "$JS.API.CONSUMER.DELETE.SANCTUARY_LEDGER.task_architecture",
            "$JS.API.STREAM.PURGE.SANCTUARY_LEDGER",
            "$JS.API.STREAM.DELETE.SANCTUARY_RESULTS",
            "$KV.sanctuary_routes.table",
            "$JS.API.STREAM.PURGE.KV_sanctuary_routes",
            "$JS.API.DIRECT.GET.KV_sanctuary_schedules.$KV.sanctuary_schedules.nightly",
            "$JS.API.DIRECT.GET.KV_sanctuary_sleepers.$KV.sanctuary_sleepers.w",
            "$JS.API.DIRECT.GET.KV_sanctuary_secrets.$KV.sanctuary_secrets.asks",
        ],
    )
    async def test_may_not(self, beta: Connection, subject: str) -> None:
        await assert_refused(beta, subject)

    @pytest.mark.parametrize(
        "subject",
        [
            "_INBOX_gamma.>",
            "_INBOX.>",
            "sanctuary.task.>",
            "sanctuary.command.>",
            "sanctuary.handover.>",
            "sanctuary.nudge.>",
            "sanctuary.history.>",
            "sanctuary.presence.architecture",
            "sanctuary.result.architecture.*",
            ">",
        ],
    )
    async def test_may_not_listen_to(self, server: EmbeddedServer, beta: Connection, subject: str) -> None:
        async with await connect(server.settings_for("beta"), name="nosy", wait_s=WITHIN_S) as nosy:
            await nosy.client.subscribe(subject)
            await nosy.client.flush()
            assert [(refusal.operation, refusal.subject) for refusal in nosy.refusals] == [
                ("subscription", subject.lower())
            ]

    async def test_omega_has_the_whole_account(self, server: EmbeddedServer, operator: Client) -> None:
        async with await connect(server.settings_for("omega"), name="omega", wait_s=WITHIN_S) as omega:
            await omega.client.request("sanctuary.settle.architecture.by-omega", b"{}", timeout=WITHIN_S)
            info = await api(omega.client, "STREAM.INFO.SANCTUARY_RESULTS")
            assert info["state"]["messages"] > 0
            assert omega.refusals == ()

    async def test_only_the_notary_stores_checkpoints(self, server: EmbeddedServer, operator: Client) -> None:
        for name in ("operator", "omega", "agents"):
            async with await connect(server.settings_for(name), name=name, wait_s=WITHIN_S) as other:
                await assert_refused(other, "sanctuary.checkpoint.log")


class TestTheNotary:
    @pytest_asyncio.fixture(loop_scope="module")
    async def notary(self, server: EmbeddedServer, operator: Client) -> AsyncIterator[Connection]:
        async with await connect(server.settings_for("notary"), name="notary", wait_s=WITHIN_S) as connection:
            yield connection

    async def test_stores_checkpoints_and_reads_the_last_one(self, notary: Connection) -> None:
        await notary.client.request("sanctuary.checkpoint.log", b"signed", timeout=WITHIN_S)
        get = "$JS.API.DIRECT.GET.SANCTUARY_LEDGER.sanctuary.checkpoint.log"
        assert (await notary.client.request(get, b"", timeout=WITHIN_S)).data == b"signed"

    async def test_reads_the_ledger_as_it_is_stored(self, server: EmbeddedServer, operator: Client) -> None:
        async with open_network(server.settings_for("notary"), Subjects(), name="notary") as network:
            await eventually(lambda: all_results_are_copied(operator))
            last = (await api(network.client, "STREAM.INFO.SANCTUARY_LEDGER"))["state"]["last_seq"]
            stored = (await operator.request("sanctuary.task.security", b"read me", timeout=WITHIN_S)).data
            assert str(last + 1).encode() in stored
            assert [[each.data for each in batch] async for batch in records(network, last + 1)] == [[b"read me"]]
            assert await record(network, last + 2) is None
            assert network.connection.refusals == ()

    async def test_escalates(self, notary: Connection) -> None:
        await notary.client.request("sanctuary.escalation.critical.notary", b"{}", timeout=WITHIN_S)

    @pytest.mark.parametrize(
        "subject",
        [
            "sanctuary.task.security",
            "sanctuary.settle.security.x",
            "sanctuary.event.security.x",
            "sanctuary.command.security",
            "sanctuary.call.command",
            "sanctuary.escalation.critical.beta",
            "$JS.API.STREAM.PURGE.SANCTUARY_LEDGER",
            "$JS.API.STREAM.UPDATE.SANCTUARY_LEDGER",
            "$JS.API.CONSUMER.MSG.NEXT.SANCTUARY_RESULTS.x",
            "$JS.ACK.SANCTUARY_LEDGER.task_security.1.1.1.1.0",
            "$KV.sanctuary_routes.table",
        ],
    )
    async def test_may_not(self, notary: Connection, subject: str) -> None:
        await assert_refused(notary, subject)


async def all_results_are_copied(client: Client) -> bool:
    """Whether the ledger has every result; it takes them over a moment after they are stored."""
    results, ledger = [await stored(client, f"SANCTUARY_{name}") for name in ("RESULTS", "LEDGER")]
    return results.keys() <= ledger.keys()


async def _discard(request: Awaitable[Msg]) -> None:
    await request
