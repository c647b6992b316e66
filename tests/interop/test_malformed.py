"""Whatever anybody publishes gets one answer in words, and harms nothing else."""

import base64
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from tests.interop.conftest import Running
from tests.interop.peers import HERE, Go, Message, Nats, node, parse, run, wait_until

GOOD = b'{"params":{"target":"project"}}'


@dataclass(frozen=True)
class Case:
    """A body that is wrong, and what its publisher is told."""

    name: str
    body: bytes
    code: str
    says: str
    """A regular expression: what is wrong, and where."""
    subject: str = "sanctuary.task.security"
    on_call: tuple[str, str] | None = None
    """Code and expression where a call is told otherwise."""


def task(**fields: Any) -> bytes:
    return json.dumps({"params": {"target": "project"}, **fields}).encode()


def params(**fields: Any) -> bytes:
    return json.dumps({"params": fields}).encode()


INVALID, INCOMPATIBLE = "invalid_assignment", "incompatible_task"
NO_TARGET = (INCOMPATIBLE, "missing required field `target`")

CASES = (
    Case("not JSON", b"scan this please", INVALID, r"not JSON: .*\(byte 0\).*\{\"params\":"),
    Case("JSON cut short", b'{"params":{"target":', INVALID, "not JSON: .*truncated"),
    Case("binary garbage", bytes(range(256)) * 4, INVALID, "not JSON"),
    Case("empty", b"", INVALID, "not JSON", on_call=NO_TARGET),
    Case("no object", b'["project"]', INVALID, "Expected `object`, got `array`"),
    Case("nested without end", b'{"params":{"target":' + b"[" * 100_000, INVALID, "nested too deeply|truncated"),
    Case("unknown field", task(paramz=1), INVALID, "unknown field `paramz`.*takes: params, id,"),
    Case("target beside params", b'{"target":"project"}', INVALID, "unknown field `target`.*takes: params, id,"),
    Case("wrong type", b'{"params":"project"}', INVALID, r"Expected `object`, got `str` - at `\$\.params`"),
    Case("another kind of message", task(type="TaskCancel"), INVALID, r"TaskCancel.*`\$\.type`"),
    Case("a time of the past", task(timeout_s=-1), INVALID, r"> 0.*`\$\.timeout_s`"),
    Case("malformed id", task(id="a b"), INVALID, r"`\$\.id`"),
    Case("reserved id", task(id="seq-1"), INVALID, r"'seq-' belong to the network.*`\$\.id`"),
    Case("forged reply", task(reply_to="sanctuary.result.x"), INVALID, r"only an inbox .*`\$\.reply_to`"),
    Case("2 MB", params(target="x" * 2_000_000), INVALID, r"2,000,0\d\d bytes; a task may have 1,048,576"),
    Case("missing target", b"{}", *NO_TARGET),
    Case(
        "wrong type of target", params(target=7), INCOMPATIBLE, r"Expected `str`, got `int` - at `\$\.params\.target`"
    ),
    Case("unknown parameter", params(target="project", deep=1), INCOMPATIBLE, "unknown field `deep`.*takes: target"),
    Case("no such path", params(target="nowhere"), "target_not_found", "'nowhere' is not there: .*/workspace/nowhere"),
    Case("a file", params(target="project/calc.py"), "target_not_found", "is a file, and a target is a directory"),
    Case("outside the roots", params(target="/etc"), "target_refused", "'/etc' is refused: .*outside"),
    Case("out by dots", params(target="../../../etc"), "target_refused", "outside the directories"),
    Case("a scheme for nobody", params(target="http://127.0.0.1/x"), "target_refused", "git targets are https://"),
    Case("no such upload", params(target="artifact:nothing"), "target_not_found", "nothing.*upload"),
    Case("unknown type", GOOD, "unknown_task_type", "'securty'; known: security,", "sanctuary.task.securty"),
    Case("wildcard", GOOD, "unknown_task_type", r"'\*'; known: security,", "sanctuary.task.*"),
    Case(
        "unknown workflow",
        b"{}",
        "unknown_workflow",
        "'revue'; known: design, incident, onboard, release-check, review",
        "sanctuary.workflow.revue",
    ),
    Case("workflow without input", b"{}", INCOMPATIBLE, "the input has no target", "sanctuary.workflow.review"),
    Case(
        "workflow of a task",
        GOOD,
        INVALID,
        "unknown field `params`.*WorkflowStart takes: input,",
        "sanctuary.workflow.review",
    ),
    Case(
        "workflow, reserved id",
        b'{"input":{"target":"project"},"id":"seq-1"}',
        INVALID,
        r"'seq-' belong to the network.*`\$\.id`",
        "sanctuary.workflow.review",
    ),
)
BAD_PRIORITY = Case(
    "bad priority", GOOD, "unknown_task_type", "'urgent' is no priority; .*high", "sanctuary.task.security.urgent"
)
TASKS = (*CASES, BAD_PRIORITY)  # a call has no priority


def call_subject(subject: str) -> str:
    return subject.replace(".task.", ".call.").replace(".workflow.", ".call.workflow.")


def named(cases: Iterable[Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in cases])


def ask_from_node(network: Running, requests: Sequence[tuple[str, bytes]]) -> list[Message]:
    """Send all requests at once from Node, and return the answers in the same order."""
    lines = [json.dumps({"subject": subject, "data": base64.b64encode(body).decode()}) for subject, body in requests]
    return parse(run([node(), HERE / "node" / "request.mjs", network.url], "\n".join(lines).encode()))


def by_command_line(nats: Nats, anyone: Go, subject: str, body: bytes) -> Message:
    """Publish with `nats pub`, and return what is answered: that it is stored, or a call's answer."""
    with anyone.listening("_INBOX.answer", 1) as inbox:
        nats.publish(subject, body, reply="_INBOX.answer")
        (answer,) = inbox.messages()
    return answer


def check_failure(result: Any, case: Case) -> None:
    assert (result["type"], result["code"]) == ("TaskFailure", case.code)
    assert re.search(case.says, result["message"]), result["message"]
    assert "\n" not in result["message"]
    assert "Traceback" not in result["message"]


def check_refusal(answer: Message, case: Case) -> None:
    code, says = case.on_call or (case.code, case.says)
    assert answer.header("Nats-Service-Error-Code") == code
    message = answer.header("Nats-Service-Error") or ""
    assert re.search(says, message), message
    if answer.data:
        assert (answer.json["type"], answer.json["code"]) == ("TaskFailure", code)


@pytest.fixture(scope="module")
def instances(network: Running) -> set[str]:
    """Who runs before anything malformed was sent."""
    return running(Go(network.url))


def running(go: Go) -> set[str]:
    return {answer.json["instance"] for answer in go.answers("sanctuary.status", 5)}


@pytest.fixture(scope="module")
def node_tasks(network: Running, instances: set[str]) -> dict[str, Message]:
    """What Node was answered to each case as a task."""
    answers = ask_from_node(network, [(case.subject, case.body) for case in TASKS])
    return dict(zip((case.name for case in TASKS), answers, strict=True))


@pytest.fixture(scope="module")
def node_calls(network: Running, instances: set[str]) -> dict[str, Message]:
    answers = ask_from_node(network, [(call_subject(case.subject), case.body) for case in CASES])
    return dict(zip((case.name for case in CASES), answers, strict=True))


@named(TASKS)
def test_a_task_from_the_nats_command_line(nats: Nats, anyone: Go, instances: set[str], case: Case) -> None:
    check_failure(anyone.result(by_command_line(nats, anyone, case.subject, case.body).json["seq"]), case)


@named(CASES)
def test_a_call_from_the_nats_command_line(nats: Nats, anyone: Go, instances: set[str], case: Case) -> None:
    check_refusal(by_command_line(nats, anyone, call_subject(case.subject), case.body), case)


@named(TASKS)
def test_a_task_from_go(anyone: Go, instances: set[str], case: Case) -> None:
    check_failure(anyone.result(anyone.request(case.subject, case.body).json["seq"]), case)


@named(CASES)
def test_a_call_from_go(anyone: Go, instances: set[str], case: Case) -> None:
    check_refusal(anyone.request(call_subject(case.subject), case.body), case)


@named(TASKS)
def test_a_task_from_node(anyone: Go, node_tasks: dict[str, Message], case: Case) -> None:
    check_failure(anyone.result(node_tasks[case.name].json["seq"]), case)


@named(CASES)
def test_a_call_from_node(node_calls: dict[str, Message], case: Case) -> None:
    check_refusal(node_calls[case.name], case)


def test_nothing_else_was_harmed(anyone: Go, operator: Go, instances: set[str]) -> None:
    """The same processes run, each task has one result, as has each command, and good ones complete while bad ones arrive."""
    with anyone.listening("_INBOX.good", 3) as inbox:
        good = json.dumps({"params": {"target": "project"}, "reply_to": "_INBOX.good"}).encode()
        bodies = [good, b"{", good, b"[]", good]
        anyone.publish_all("sanctuary.task.security", bodies, connections=1)
        assert {message.json["type"] for message in inbox.messages()} == {"TaskCompletion"}
    assert running(anyone) == instances

    def settled() -> bool:
        # The results first: whatever has one then is in the ledger.
        results = [message.subject for message in operator.view("SANCTUARY_RESULTS")]
        ledger = operator.view("SANCTUARY_LEDGER")
        tasks = sum(
            message.subject.split(".")[1] in {"task", "workflow", "command", "escalation"}
            # A run that has slept goes on under another message, and has one result all the same.
            and not message.headers.get("Nats-Msg-Id", [""])[0].startswith("wake-up.")
            for message in ledger
        )
        assert len(results) == len(set(results)) <= tasks
        return len(results) == tasks

    wait_until(settled)
