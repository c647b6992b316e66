"""A thousand tasks at once, good ones among wrong ones, give a thousand results: one each."""

import json
from collections import Counter

from tests.interop.peers import Go, Nats

COUNT = 1000
REAL_EVERY = 200
CONNECTIONS = 8


def body(number: int) -> bytes:
    """Return a task that Beta ends in one of several ways."""
    if number % REAL_EVERY == 0:
        return json.dumps({"id": f"many-{number}", "params": {"target": "project"}}).encode()
    wrong: tuple[dict[str, object], ...] = (
        {"params": {"target": f"nowhere-{number}"}},
        {"params": {"target": "/etc"}},
        {"params": {"target": number}},
        {"paramz": {}},
    )
    return json.dumps({"id": f"many-{number}", **wrong[number % len(wrong)]}).encode()


def code(number: int) -> str:
    if number % REAL_EVERY == 0:
        return "completed"
    return ("target_not_found", "target_refused", "incompatible_task", "invalid_assignment")[number % 4]


def test_a_thousand_at_once(anyone: Go, operator: Go) -> None:
    with anyone.listening("sanctuary.result.security.*", COUNT) as results:
        anyone.publish_all("sanctuary.task.security", map(body, range(COUNT)), connections=CONNECTIONS)
        seen = results.messages()
    outcomes = {message.json["task_id"]: message.json.get("code", "completed") for message in seen}
    assert outcomes == {f"many-{number}": code(number) for number in range(COUNT)}
    assert Counter(outcomes.values())["completed"] == COUNT // REAL_EVERY
    assert len(operator.results("security", "many-")) == COUNT
    tasks = Counter(
        message.json["id"]
        for message in operator.view("SANCTUARY_LEDGER")
        if message.subject == "sanctuary.task.security" and b'"many-' in message.data
    )
    assert len(tasks) == COUNT
    assert set(tasks.values()) == {1}


def test_a_thousand_from_the_nats_command_line(nats: Nats, anyone: Go, operator: Go) -> None:
    template = '{"id":"cli-{{Count}}","params":{"target":"nowhere-{{Count}}"}}'
    with anyone.listening("sanctuary.result.security.*", COUNT) as results:
        nats.run("pub", "--count", str(COUNT), "sanctuary.task.security", template)
        seen = results.messages()
    assert {message.json["task_id"] for message in seen} == {f"cli-{number}" for number in range(1, COUNT + 1)}
    for message in seen:
        number = message.json["task_id"].removeprefix("cli-")
        assert f"'nowhere-{number}' is not there" in message.json["message"]
    assert len(operator.results("security", "cli-")) == COUNT
