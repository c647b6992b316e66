"""The page docs/interop.md is true: its programs are the ones that are run here, and its messages do what it says."""

import json
import re
import shlex
import sys
from pathlib import Path

import pytest

from tests.interop.conftest import Running
from tests.interop.peers import GO_SUBMIT, HERE, Go, Message, node, run

PAGE = (HERE.parents[1] / "docs" / "interop.md").read_text(encoding="utf-8")
PROGRAMS = {
    "go": [HERE / "go" / "submit" / "main.go"],
    "js": [HERE / "node" / "submit.mjs", HERE / "node" / "submit-msgpack.mjs"],
    "python": [HERE / "python" / "submit.py"],
}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def messages() -> list[tuple[str, str, str]]:
    """Return verb, subject and body of each `nats pub` and `nats req` line of the page."""
    lines = [line for block in blocks("sh") for line in block.splitlines() if re.match(r"nats (pub|req) ", line)]
    words = [[word for word in shlex.split(line) if not word.startswith("--")] for line in lines]
    return [(verb, subject, body) for _, verb, subject, body in words]


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


@pytest.mark.parametrize(("verb", "subject", "body"), messages())
def test_a_message_of_the_page(anyone: Go, verb: str, subject: str, body: str) -> None:
    if verb == "pub":
        task_type = subject.split(".")[2]
        with anyone.listening(f"sanctuary.result.{task_type}.*", 1) as results:
            anyone.publish(subject, body.encode())
            (result,) = results.messages()
        assert result.json["type"] == "TaskCompletion"
    elif subject.startswith("sanctuary.task."):
        with anyone.listening("sanctuary.result.security.*", 1) as results:
            assert anyone.request(subject, body.encode()).json["stream"] == "SANCTUARY_LEDGER"
            assert len(results.messages()) == 1
    elif subject == "sanctuary.status":
        assert len(anyone.ask_all(subject, body.encode(), within="1s")) == 5
    else:
        check_result(anyone.request(subject, body.encode(), wait="100s"))


def check_result(answer: Message) -> None:
    """The review is the one slow thing here: all clones work, one of them on the project's own tests."""
    completion = answer.json
    assert answer.header("Nats-Service-Error") is None
    assert completion["type"] == "TaskCompletion", completion
    if completion["task_type"] == "workflow":
        steps = {(step["task_type"], step["state"]) for step in completion["output"]["steps"]}
        wanted = ("security", "architecture", "testing", "documentation")
        assert steps == {(step, "completed") for step in wanted}
        assert {artifact["filename"] for artifact in completion["artifacts"]} >= {"report.html", "report.md"}
