"""Workflows from clients that know nothing of Sanctuary: stored, started, called, decided, and read back."""

import base64
import json
from typing import Any

from schemas import MSGPACK, decode
from tests.contract.messages import KINDS, VECTORS
from tests.interop.conftest import Running
from tests.interop.peers import HERE, Go, Message, Nats, node, parse, parse_answer, run, wait_until

ASKS = {
    "name": "asks",
    "input": {"target": {"required": True}},
    "steps": {
        "look": {"task": "architecture", "params": {"target": "${input.target}"}},
        "go": {"needs": ["look"], "decision": {"prompt": "Go on?"}},
    },
    "output": "${steps.go.output}",
}
LOOKS = {
    "name": "looks",
    "input": {"target": {"required": True}},
    "steps": {"look": {"task": "architecture", "params": {"target": "${input.target}"}}},
    "output": {"modules": "${steps.look.output.data.modules}"},
}


def command(nats: Nats, network: Running, body: dict[str, Any]) -> Message:
    seed = f"--nkey={network.operator_seed}"
    return parse_answer(nats.run(seed, "req", "--timeout=100s", "sanctuary.call.command", json.dumps(body)))


def store(nats: Nats, network: Running, definition: dict[str, Any]) -> None:
    verdict = command(nats, network, {"type": "WorkflowPut", "definition": definition, "by": "nats"}).json
    assert (verdict["type"], verdict["output"]["version"]) == ("TaskCompletion", 1), verdict


def history(nats: Nats, network: Running, workflow_id: str, count: int) -> list[Any]:
    """The first `count` entries of a run's history, by the nats command line."""
    seed = f"--nkey={network.operator_seed}"
    question = json.dumps({"seq": 1, "next_by_subj": f"sanctuary.history.{workflow_id}", "batch": count})
    printed = nats.run(
        seed,
        "req",
        "--raw",
        f"--replies={count}",
        "--reply-timeout=60s",
        "$JS.API.DIRECT.GET.SANCTUARY_LEDGER",
        question,
    )
    return [json.loads(line) for line in printed.splitlines() if line.startswith("{")]


def kinds(operator: Go, subject: str) -> list[str]:
    """The types of what the ledger has on a subject."""
    return [message.json["type"] for message in operator.view("SANCTUARY_LEDGER") if message.subject == subject]


def test_started_by_a_publish_decided_by_a_request_and_read_back(
    nats: Nats, network: Running, anyone: Go, operator: Go
) -> None:
    store(nats, network, ASKS)
    with anyone.listening("sanctuary.result.workflow.by-nats", 1) as results:
        start = json.dumps({"id": "by-nats", "input": {"target": "project"}, "labels": {"team": "a"}})
        nats.run("pub", "--no-templates", "sanctuary.workflow.asks", start)
        wait_until(lambda: "WorkflowWaiting" in kinds(operator, "sanctuary.event.workflow.by-nats"))
        decision = {
            "type": "Decision", "workflow_id": "by-nats", "step": "go", "verdict": "approve",
            "decided_by": "ann", "comment": "as the numbers are",
        }  # fmt: skip
        verdict = command(nats, network, decision).json
        (result,) = results.messages()
    assert verdict["type"] == "TaskCompletion"
    ended = result.json
    assert (ended["type"], ended["workflow"], ended["version"]) == ("WorkflowCompletion", "asks", 1)
    assert ended["output"] == {"verdict": "approve", "decided_by": "ann", "comment": "as the numbers are"}
    assert [(line["step"], line["state"]) for line in ended["steps"]] == [("look", "completed"), ("go", "completed")]
    again = command(nats, network, decision)
    assert again.header("Nats-Service-Error-Code") == "command_refused"

    stored = [
        message for message in operator.view("SANCTUARY_LEDGER") if message.subject == "sanctuary.history.by-nats"
    ]
    entries = history(nats, network, "by-nats", len(stored))
    assert entries == [message.json for message in stored]
    assert {entry["type"] for entry in entries} == {"WorkflowEntry"}
    events = [event for entry in entries for event in entry.get("events", ())]
    assert [event["type"] for event in events] == ["WorkflowBegun", "StepEnded", "DecisionMade"]
    assert (events[-1]["decided_by"], events[0]["labels"]) == ("ann", {"team": "a"})


def test_a_call_is_answered_with_the_result(nats: Nats, network: Running, anyone: Go) -> None:
    store(nats, network, LOOKS)
    start = json.dumps({"input": {"target": "project"}})
    told = parse_answer(nats.run("req", "--timeout=250s", "sanctuary.call.workflow.looks", start))
    assert told.header("Nats-Service-Error-Code") is None
    assert (told.json["type"], told.json["workflow"]) == ("WorkflowCompletion", "looks")
    assert told.json["output"]["modules"] >= 1
    by_go = anyone.request("sanctuary.call.workflow.looks", start.encode()).json
    assert (by_go["type"], by_go["output"]) == ("WorkflowCompletion", told.json["output"])
    request = {"subject": "sanctuary.call.workflow.looks", "data": base64.b64encode(start.encode()).decode()}
    (by_node,) = parse(run([node(), HERE / "node" / "request.mjs", network.url], json.dumps(request).encode()))
    assert (by_node.json["type"], by_node.json["output"]) == ("WorkflowCompletion", told.json["output"])


def test_a_run_that_fails_says_so_in_headers(nats: Nats, network: Running) -> None:
    failing = {**LOOKS, "name": "fails"}
    store(nats, network, failing)
    start = json.dumps({"input": {"target": "nowhere"}})
    told = parse_answer(nats.run("req", "--timeout=250s", "sanctuary.call.workflow.fails", start))
    assert told.header("Nats-Service-Error-Code") == "step_failed"
    assert "look" in (told.header("Nats-Service-Error") or "")
    failure = told.json
    assert (failure["type"], failure["workflow"], failure["code"]) == ("WorkflowFailure", "fails", "step_failed")
    assert failure["steps"][0]["code"] == "target_not_found"


def test_what_cannot_begin_is_told(nats: Nats) -> None:
    unknown = parse_answer(nats.run("req", "--timeout=250s", "sanctuary.call.workflow.reviwe", "{}"))
    assert unknown.header("Nats-Service-Error-Code") == "unknown_workflow"
    assert "review" in (unknown.header("Nats-Service-Error") or "")
    misfit = parse_answer(nats.run("req", "--timeout=250s", "sanctuary.call.workflow.review", '{"input":{}}'))
    assert misfit.header("Nats-Service-Error-Code") == "incompatible_task"
    assert "target" in (misfit.header("Nats-Service-Error") or "")


def test_node_reads_and_writes_every_message_of_workflows() -> None:
    """Written anew as JSON it has the values of the vector, and as MessagePack it is read here as the same message."""
    names = ("Workflow", "Schedule", "Decision", "Step", "Timer", "CancelRequested", "TaskAsked")
    paths = sorted(path for path in VECTORS.glob("*.json") if path.name.startswith(names))
    assert len(paths) > 20
    bodies = [json.dumps(json.loads(path.read_bytes())).encode() for path in paths]
    told = [json.loads(line) for line in run([node(), HERE / "node" / "vectors.mjs"], b"\n".join(bodies)).splitlines()]
    assert [each["json"] for each in told] == [json.loads(body) for body in bodies]
    for path, body, each in zip(paths, bodies, told, strict=True):
        kind = KINDS[path.name.split(".")[0]]
        assert decode(kind, base64.b64decode(each["msgpack"]), MSGPACK) == decode(kind, body)
