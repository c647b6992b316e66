"""The official Go client, without credentials and as the operator, does what its users know from any NATS network."""

import json

from tests.interop.peers import Go, wait_until

CLONES = {"beta", "gamma", "delta", "sigma", "omega"}
TASK = b'{"params":{"target":"project"}}'


def test_a_published_task_becomes_one_result(anyone: Go, operator: Go) -> None:
    before = operator.results("security")
    with anyone.listening("sanctuary.result.security.*", 1) as results:
        anyone.publish("sanctuary.task.security", TASK)
        (result,) = results.messages()
    completion = result.json
    assert completion["type"] == "TaskCompletion"
    assert result.subject == f"sanctuary.result.security.{completion['task_id']}"
    findings = {
        (finding["file"], finding["line"], finding["cwe"]) for finding in completion["output"]["data"]["findings"]
    }
    assert ("calc.py", 10, 78) in findings, "the work was not done: a shell is called there"
    assert operator.results("security") == [*before, result.subject]


def test_a_request_on_a_task_subject_gets_the_word_that_it_is_stored(anyone: Go) -> None:
    with anyone.listening("sanctuary.result.architecture.*", 1) as results:
        acknowledgement = anyone.request("sanctuary.task.architecture", TASK).json
        (result,) = results.messages()
    assert acknowledgement["stream"] == "SANCTUARY_LEDGER"
    # An id that nobody chose follows from the acknowledgement, and the result can be read by it at any later time.
    assert result.json["task_id"] == f"seq-{acknowledgement['seq']}"
    stored = anyone.request(f"$JS.API.DIRECT.GET.SANCTUARY_RESULTS.{result.subject}")
    assert stored.json == result.json


def test_a_call_answers_with_the_result(anyone: Go) -> None:
    answer = anyone.request("sanctuary.call.security", TASK)
    assert answer.json["type"] == "TaskCompletion"
    assert answer.header("Nats-Service-Error") is None


def test_an_alias_of_the_original_plan_may_be_called(anyone: Go) -> None:
    assert anyone.request("sanctuary.call.architecture-design", TASK).json["task_type"] == "architecture"


def test_a_priority_and_a_reply_subject(anyone: Go) -> None:
    with anyone.listening("_INBOX.mine", 1) as inbox:
        task = {"params": {"target": "project"}, "reply_to": "_INBOX.mine", "id": "chosen-1"}
        anyone.publish("sanctuary.task.documentation.high", json.dumps(task).encode())
        (result,) = inbox.messages()
    assert (result.json["type"], result.json["task_id"]) == ("TaskCompletion", "chosen-1")


def test_everybody_answers_a_status_request(anyone: Go) -> None:
    answers = [answer.json for answer in anyone.answers("sanctuary.status", len(CLONES))]
    assert {answer["clone"] for answer in answers} == CLONES
    assert {answer["state"] for answer in answers} == {"ready"}
    (beta,) = anyone.answers("sanctuary.status.beta", 1)
    assert beta.json["task_types"] == ["security", "performance"]


def test_the_call_service_can_be_discovered(anyone: Go) -> None:
    """What `nats micro ls` and `nats micro info` ask, ADR-32."""
    (ping,) = (answer.json for answer in anyone.answers("$SRV.PING", 1))
    assert (ping["type"], ping["name"]) == ("io.nats.micro.v1.ping_response", "sanctuary-omega")
    (info,) = (answer.json for answer in anyone.answers("$SRV.INFO.sanctuary-omega", 1))
    subjects = {(endpoint["subject"], endpoint["queue_group"]) for endpoint in info["endpoints"]}
    named = ("sanctuary.call.*", "sanctuary.call.workflow.*", "sanctuary.ask.*")
    assert subjects == {(subject, "omega") for subject in named}


def test_the_operator_reads_the_streams(anyone: Go, operator: Go) -> None:
    """With the seed that lies in the network's store: `keys/operator.nk`."""
    call = anyone.request("sanctuary.call.security", b'{"id":"read-me","params":{"target":"project"}}')
    assert call.json["task_id"] == "read-me"
    info = operator.info("SANCTUARY_LEDGER")
    assert info["config"]["deny_delete"] is True
    assert len(operator.view("SANCTUARY_LEDGER")) >= info["state"]["messages"]

    def all_is_there() -> bool:
        mine = [message for message in operator.view("SANCTUARY_LEDGER") if b'"read-me"' in message.data]
        return {message.json["type"] for message in mine} >= {"TaskAssignment", "TaskStarted", "TaskCompletion"}

    # Results are copied into it a little later.
    wait_until(all_is_there)
    consumers = operator.consumers("SANCTUARY_LEDGER")
    assert consumers >= {"task_security", "task_security+high", "task_testing+low", "workflows"}


def test_nobody_else_does(anyone: Go, operator: Go) -> None:
    """Without credentials there are no streams to see, only what is offered."""
    question = "$JS.API.STREAM.INFO.SANCTUARY_LEDGER"
    assert operator.request(question).json["config"]["name"] == "SANCTUARY_LEDGER"
    assert anyone.ask_all(question, within="300ms") == []
