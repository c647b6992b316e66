"""What is said to whoever waits for a task that nobody begins."""

import asyncio

import pytest
from nats.aio.msg import Msg

from ops import status
from ops.cli import waiting
from schemas import encode
from tests.clones.statuses import status_of
from tests.ops.rig import OpsRig

BUSY = status_of("beta", task_types=("security",), in_flight=1)


async def test_a_clone_that_is_slow_to_answer_is_not_called_absent(
    ops_rig: OpsRig, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "NOBODY_AFTER_S", 0.0)
    monkeypatch.setattr(status, "LONGEST_S", 60.0)
    network = ops_rig.bus.network

    async def answer(message: Msg) -> None:
        await asyncio.sleep(status.QUIET_S + 0.2)
        await message.respond(encode(BUSY))

    await network.client.subscribe(network.subjects.status("beta"), cb=answer)
    await waiting.tell_if_nobody(network, "beta", asyncio.Event())
    assert capsys.readouterr().err == ""
