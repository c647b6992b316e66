"""An operator steers tasks with the nats command line alone; whoever has no key cannot."""

import json

import pytest

from tests.interop.conftest import Running
from tests.interop.peers import Nats, parse_answer, wait_until


def request(nats: Nats, network: Running, command: dict[str, object]) -> str:
    seed = f"--nkey={network.operator_seed}"
    return nats.run(seed, "req", "--timeout=100s", "sanctuary.call.command", json.dumps(command))


def test_a_task_is_cancelled_and_the_verdict_is_the_answer(nats: Nats, network: Running) -> None:
    """It asks for a target that nobody can fetch, at once or after long, again and again, so that it has not ended by then."""
    task = {"id": "by-nats", "params": {"target": "https://192.0.2.1/slow.git"}, "timeout_s": 600, "retries": 10}
    body = json.dumps(task)
    nats.run("pub", "--no-templates", "sanctuary.task.architecture", body)
    cancel = {"type": "TaskCancel", "task_id": "by-nats", "task_type": "architecture", "by": "nats"}
    verdict = parse_answer(request(nats, network, cancel)).json
    assert (verdict["type"], verdict["task_type"]) == ("TaskCompletion", "command")
    shown = nats.run(
        f"--nkey={network.operator_seed}", "stream", "get", "-S", "sanctuary.result.architecture.by-nats",
        "SANCTUARY_RESULTS",
    )  # fmt: skip
    assert '"code":"cancelled"' in shown
    again = parse_answer(request(nats, network, cancel))
    assert again.header("Nats-Service-Error-Code") == "command_refused"


def test_what_is_no_command_is_told(nats: Nats, network: Running) -> None:
    answer = parse_answer(request(nats, network, {"type": "TaskCancle"}))
    assert answer.header("Nats-Service-Error-Code") == "invalid_assignment"
    assert "TaskCancel" in (answer.header("Nats-Service-Error") or "")


def test_without_the_key_nothing_is_commanded(nats: Nats, network: Running) -> None:
    command = '{"type":"TaskCancel","task_id":"x","task_type":"architecture"}'
    with pytest.raises(AssertionError, match=r"(?i)permissions violation"):
        nats.run("pub", "--no-templates", "sanctuary.command.architecture", command)


def test_the_routing_table_is_a_bucket_of_nats(nats: Nats, network: Running) -> None:
    def table() -> dict[str, object]:
        raw = nats.run(f"--nkey={network.operator_seed}", "kv", "get", "--raw", "sanctuary_routes", "table")
        found: dict[str, object] = json.loads(raw)
        return found

    wait_until(lambda: table()["type"] == "RoutesInForce")
