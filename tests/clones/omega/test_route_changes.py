"""A RouteChange is carried out once, by whichever Omega, or refused in words."""

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

import clones.omega.route_changes
from bus.errors import JetStreamError
from bus.jetstream import api
from bus.routes import history, in_force
from bus.task import TaskError
from clones.omega.coordination import ensure_table
from clones.omega.route_changes import change_routes
from clones.routing import DEFAULT_TABLE
from schemas import Route, RouteChange, RoutingTable, TaskCompletion, TaskFailure, TaskResult, decode, encode
from tests.clones.rig import TABLE, ClonesRig

LONGER = replace(TABLE, routes={**TABLE.routes, "security": replace(TABLE.routes["security"], timeout_s=300)})
WIDER = replace(TABLE, routes={**TABLE.routes, "translate": Route(clone="translator", fallback=("beta",))})


def change(table: RoutingTable = LONGER, base: int = 1, **fields: Any) -> RouteChange:
    return RouteChange(table=table, base_revision=base, **fields)


async def refused(rig: ClonesRig, wanted: RouteChange) -> TaskError:
    with pytest.raises(TaskError) as told:
        await change_routes(rig.network, wanted, sequence=70)
    assert (told.value.code, told.value.retryable) == ("routes_refused", False)
    return told.value


async def numbers(rig: ClonesRig) -> list[int]:
    return [revision.number for revision in await history(rig.network)]


async def test_it_is_put_into_force(clones_rig: ClonesRig) -> None:
    done = await change_routes(clones_rig.network, change(by="ann", reason="slow"), sequence=70)
    assert done.summary == "routing table 2 is in force: routes.security.timeout_s: 240 -> 300"
    assert done.output == {"revision": 2, "replaced": 1, "changes": ["routes.security.timeout_s: 240 -> 300"]}
    current = await in_force(clones_rig.network)
    assert current is not None
    told = current.routes
    assert (current.number, told.table, told.command, told.by, told.reason) == (2, LONGER, 70, "ann", "slow")


async def test_carried_out_again_it_is_done_once(clones_rig: ClonesRig) -> None:
    """By an Omega that took it up after another had died, perhaps when others have changed the table since."""
    first = await change_routes(clones_rig.network, change(), sequence=70)
    assert await change_routes(clones_rig.network, change(), sequence=70) == first
    await change_routes(clones_rig.network, change(TABLE, 2), sequence=80)
    assert await change_routes(clones_rig.network, change(), sequence=70) == first
    assert await numbers(clones_rig) == [1, 2, 3]


async def test_two_omegas_at_one_command(clones_rig: ClonesRig) -> None:
    dones = await asyncio.gather(
        *(change_routes(clones_rig.network, change(), sequence=70) for _ in range(8)),
    )
    assert all(done == dones[0] for done in dones)
    assert await numbers(clones_rig) == [1, 2]


async def test_of_two_changes_made_at_once_one_is_refused(clones_rig: ClonesRig) -> None:
    outcomes = await asyncio.gather(
        change_routes(clones_rig.network, change(LONGER), sequence=70),
        change_routes(clones_rig.network, change(WIDER), sequence=71),
        return_exceptions=True,
    )
    (error,) = (outcome for outcome in outcomes if isinstance(outcome, TaskError))
    assert error.code == "routes_refused"
    assert error.message.startswith("it was made from revision 1, and 2 is in force by now; read the table again")
    assert await numbers(clones_rig) == [1, 2]


async def test_conflicts_and_old_bases_are_refused(clones_rig: ClonesRig) -> None:
    wrong = replace(TABLE, aliases={"x": "y"}, routes={**TABLE.routes, "workflow": Route(clone="beta")})
    error = await refused(clones_rig, change(wrong))
    assert error.message.startswith("the table conflicts with itself: aliases.x: there is no task type y")
    assert [each["path"] for each in error.details["conflicts"]] == ["aliases.x", "routes.workflow"]
    for base in (0, 2):
        error = await refused(clones_rig, change(base=base))
        assert f"it was made from revision {base}, and 1 is in force by now" in error.message
    assert await numbers(clones_rig) == [1]


async def test_the_same_table_changes_nothing(clones_rig: ClonesRig) -> None:
    done = await change_routes(clones_rig.network, change(TABLE), sequence=70)
    assert done.summary == "nothing is new: routing table 1 is the same, and stays in force"
    assert await numbers(clones_rig) == [1]


async def test_what_a_table_needs_is_there_before_it_is_in_force(clones_rig: ClonesRig) -> None:
    await change_routes(clones_rig.network, change(WIDER), sequence=70)
    subjects = clones_rig.subjects
    for consumer in (
        "task_translate",
        "task_translate+high",
        "handover_translate+translator",
        "handover_translate+beta",
    ):
        await api(clones_rig.network.requester, f"CONSUMER.INFO.{subjects.ledger}.{consumer}")


async def test_by_request_and_reply_and_as_a_stored_command(clones_rig: ClonesRig) -> None:
    async with clones_rig.omega():
        subject = clones_rig.subjects.call_command()
        answer = await clones_rig.network.client.request(subject, encode(change()), timeout=20)
        result: TaskResult = decode(TaskResult, answer.data)
        assert isinstance(result, TaskCompletion)
        assert result.output["revision"] == 2
        answer = await clones_rig.network.client.request(subject, encode(change()), timeout=20)
        failure: TaskResult = decode(TaskResult, answer.data)
        assert isinstance(failure, TaskFailure)
        assert failure.code == "routes_refused"
        current = await in_force(clones_rig.network)
        assert current is not None
        assert f"seq-{current.routes.command}" == result.task_id


async def test_the_first_table_is_a_change_like_any_other(clones_rig: ClonesRig) -> None:
    """Its command stands in the ledger; whichever Omega carries that out finds it done."""
    network = clones_rig.network
    await api(network.requester, f"STREAM.PURGE.KV_{clones_rig.subjects.routes}")
    await asyncio.gather(*(ensure_table(network) for _ in range(4)))
    current = await in_force(network)
    assert current is not None
    assert current.routes.table == DEFAULT_TABLE
    async with clones_rig.omega():
        verdict = await clones_rig.bus.result(f"seq-{current.routes.command}", "command")
    assert isinstance(verdict, TaskCompletion)
    assert verdict.output["revision"] == current.number
    assert len(await numbers(clones_rig)) == 1


async def test_consumers_that_the_server_will_not_have_are_a_reason_to_refuse(clones_rig: ClonesRig) -> None:
    """At once: asked again it says the same."""
    network, ledger = clones_rig.network, clones_rig.subjects.ledger
    other = {"durable_name": "task_translate", "ack_policy": "explicit", "filter_subject": "elsewhere"}
    await api(
        network.requester, f"CONSUMER.DURABLE.CREATE.{ledger}.task_translate", {"stream_name": ledger, "config": other}
    )
    error = await refused(clones_rig, change(WIDER))
    assert "the consumer" in error.message and "exists with another configuration" in error.message
    assert await numbers(clones_rig) == [1]


async def test_a_limit_on_consumers_is_a_reason_to_refuse(clones_rig: ClonesRig) -> None:
    network, ledger = clones_rig.network, clones_rig.subjects.ledger
    config = (await api(network.requester, f"STREAM.INFO.{ledger}"))["config"]
    await api(network.requester, f"STREAM.DELETE.{ledger}")
    await api(network.requester, f"STREAM.CREATE.{ledger}", {**config, "max_consumers": 3})
    error = await refused(clones_rig, change(WIDER))
    assert "maximum consumers limit reached" in error.message
    assert await numbers(clones_rig) == [1]


async def test_a_server_that_elects_is_asked_again(clones_rig: ClonesRig, monkeypatch: pytest.MonkeyPatch) -> None:
    async def electing(*_: object) -> None:
        raise JetStreamError("JetStream system temporarily unavailable", err_code=10008)

    monkeypatch.setattr(clones.omega.route_changes, "make_consumers", electing)
    with pytest.raises(JetStreamError):
        await change_routes(clones_rig.network, change(), sequence=70)
