"""The page docs/interop.md is true: its programs are the ones that are run here, and its messages do what it says."""

import json
import os
import pty
import re
import select
import shlex
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.interop.conftest import Running
from tests.interop.peers import (
    ENVIRONMENT,
    GO_SUBMIT,
    HERE,
    Go,
    Message,
    Nats,
    node,
    parse_answer,
    run,
    wait_until,
)

PAGE = (HERE.parents[1] / "docs" / "interop.md").read_text(encoding="utf-8")
PROGRAMS = {
    "go": [HERE / "go" / "submit" / "main.go"],
    "js": [HERE / "node" / "submit.mjs", HERE / "node" / "submit-msgpack.mjs"],
    "python": [HERE / "python" / "submit.py"],
}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("language", PROGRAMS)
def test_the_page_shows_the_programs_that_are_run(language: str) -> None:
    assert blocks(language) == [path.read_text(encoding="utf-8") for path in PROGRAMS[language]]


@pytest.mark.parametrize(
    "argv",
    [
        pytest.param([GO_SUBMIT], id="Go"),
        pytest.param(["node", HERE / "node" / "submit.mjs"], id="Node"),
        pytest.param([sys.executable, "-P", HERE / "python" / "submit.py"], id="Python"),
    ],
)
def test_a_program_hands_in_a_task_and_prints_its_result(network: Running, argv: list[str | Path]) -> None:
    program = [node(), *argv[1:]] if argv[0] == "node" else argv
    result = json.loads(run([*program, network.url, "architecture", "project"]))
    assert (result["type"], result["task_type"], result["clone"]) == ("TaskCompletion", "architecture", "gamma")
    assert result["output"]["data"]["modules"] > 0


def test_message_pack_is_answered_in_message_pack(network: Running) -> None:
    printed = json.loads(run([node(), HERE / "node" / "submit-msgpack.mjs", network.url, "documentation", "project"]))
    assert printed["contentType"] == "application/msgpack"
    assert printed["result"]["type"] == "TaskCompletion"
    assert printed["result"]["output"]["data"]["coverage"]["documented"] >= 1


def commands(start: str) -> pytest.MarkDecorator:
    """Return the page's command lines that begin with `start`, as arguments."""
    lines = [line for block in blocks("sh") for line in block.splitlines() if line.startswith(start)]
    assert lines
    return pytest.mark.parametrize("line", lines)


def arguments(line: str, network: Running) -> list[str]:
    """Return a `nats` line's arguments; the store is the running network's."""
    seed = "~/.local/state/sanctuary/keys/operator.nk"
    return [str(network.operator_seed) if word == seed else word for word in shlex.split(line)[1:]]


@commands("nats pub ")
def test_publish(nats: Nats, network: Running, line: str) -> None:
    """And the result comes to `nats sub`, as the page says."""
    (subscribe,) = (line for block in blocks("sh") for line in block.splitlines() if line.startswith("nats sub"))
    # Whoever has just ended may still be counted.
    wait_until(lambda: subscriptions(network) == 0)
    listener = subprocess.Popen(
        nats.argv(*arguments(subscribe, network)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=ENVIRONMENT
    )
    try:
        assert listener.stdout is not None
        assert b"Subscribing on sanctuary.result.>" in listener.stdout.readline()
        # It says so before it does; that the server knows it is asked of the server.
        wait_until(lambda: subscriptions(network) > 0)
        nats.run(*arguments(line, network))
        # Others may have a result at the same time.
        for wanted in (f"sanctuary.result.{shlex.split(line)[2].split('.')[2]}.", '"type":"TaskCompletion"'):
            while wanted.encode() not in (printed := listener.stdout.readline()):
                assert printed, "it has ended"
    finally:
        listener.kill()
        listener.communicate()


def subscriptions(network: Running) -> int:
    """Return how many clients from outside listen to results, as the server tells."""
    address = json.loads((network.store / "network.json").read_text())["monitoring_url"]
    with urllib.request.urlopen(f"{address}/connz?subs=1&acc=SANCTUARY_OPEN", timeout=60) as answer:  # noqa: S310  our own server's address
        connections = json.load(answer)["connections"]
    return sum("sanctuary.result.>" in connection.get("subscriptions_list", ()) for connection in connections)


@commands("nats req ")
def test_request(nats: Nats, anyone: Go, network: Running, line: str) -> None:
    if "sanctuary.status" in line:

        def all_answer() -> bool:
            printed = nats.run(*arguments(line, network))
            return set(re.findall('"type":"StatusResponse","clone":"([a-z]+)"', printed)) == clones

        clones = {"beta", "gamma", "delta", "sigma", "omega"}
        # On a busy machine one of them may not answer within a second.
        wait_until(all_answer)
        return
    printed = nats.run(*arguments(line, network))
    if "sanctuary.task." in line:
        acknowledgement = parse_answer(printed).json
        assert acknowledgement["stream"] == "SANCTUARY_LEDGER"
        assert anyone.result(acknowledgement["seq"])["type"] == "TaskCompletion"
    else:
        check_result(parse_answer(printed))


def check_result(answer: Message) -> None:
    """The review is the one slow thing here: all clones work, one of them on the project's own tests."""
    completion = answer.json
    assert answer.header("Nats-Service-Error") is None
    of_workflow = completion["task_type"] == "workflow"
    assert completion["type"] == ("WorkflowCompletion" if of_workflow else "TaskCompletion"), completion
    if of_workflow:
        steps = {(step["task_type"], step["state"]) for step in completion["output"]["steps"]}
        wanted = ("security", "architecture", "testing", "documentation")
        assert steps == {(step, "completed") for step in wanted}
        assert {artifact["filename"] for artifact in completion["artifacts"]} >= {"report.html", "report.md"}


@commands("nats micro ")
def test_services(nats: Nats, network: Running, line: str) -> None:
    wait_until(lambda: "sanctuary-omega" in nats.run(*arguments(line, network)))


@pytest.mark.parametrize(
    ("command", "shows"), [("stream info", "SANCTUARY_RESULTS"), ("consumer ls", "task_security+high")]
)
def test_the_operator(nats: Nats, network: Running, command: str, shows: str) -> None:
    (line,) = (line for block in blocks("sh") for line in block.splitlines() if command in line)
    assert shows in nats.run(*arguments(line, network))


def test_the_operator_looks_at_the_ledger(nats: Nats, anyone: Go, network: Running) -> None:
    """On a terminal: the command shows page after page and asks whether to go on."""
    anyone.result(anyone.request("sanctuary.task.architecture", b'{"params":{"target":"project"}}').json["seq"])
    (line,) = (line for block in blocks("sh") for line in block.splitlines() if "stream view" in line)
    shown = b""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        nats.argv(*arguments(line, network)), stdin=theirs, stdout=theirs, stderr=theirs, env=ENVIRONMENT
    )
    os.close(theirs)
    try:
        deadline = time.monotonic() + 90
        while b"Subject: sanctuary.task." not in shown:
            assert time.monotonic() < deadline, shown
            if select.select([ours], [], [], 0.2)[0]:
                shown += os.read(ours, 65536)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
