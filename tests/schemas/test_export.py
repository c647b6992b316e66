"""What other languages get: schemas that accept what we accept, and a document whose parts all exist."""

import json
import tomllib
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator, FormatChecker

from bus.subjects import Subjects
from schemas import ErrorCode, SchemaError, TaskAssignment, TaskFailure, decode
from schemas.export import FILES, SUBJECTS, UNTAGGED, asyncapi, json_schemas, messages
from schemas.field_docs import field_docs
from tests.contract.messages import EVENTS_OF_RUNS, SENT, VECTORS

ALL = sorted(VECTORS.glob("*.json"))


def validator(name: str) -> Draft202012Validator:
    documents = json_schemas()
    schema = documents[name] if name in documents else _inside(documents["WorkflowEntry"], name)
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, format_checker=FormatChecker())


def _inside(document: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the schema of an event that stands in the histories of runs."""
    return {"$schema": document["$schema"], "$defs": document["$defs"], "$ref": f"#/$defs/{name}"}


def test_every_message_is_exported_and_has_a_subject() -> None:
    assert {kind.__name__ for kind in messages()} == set(SENT) - EVENTS_OF_RUNS
    assert set(json_schemas()) == {kind.__name__ for kind in (*messages(), *FILES)}


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_golden_vectors_fit_the_schemas(path: Any) -> None:
    validator(path.name.split(".")[0]).validate(json.loads(path.read_bytes()))


@pytest.mark.parametrize("kind", messages(), ids=lambda kind: kind.__name__)
def test_the_type_may_be_left_out_exactly_where_the_subject_says_it(kind: type[msgspec.Struct]) -> None:
    required = json_schemas()[kind.__name__].get("required", [])
    assert ("type" not in required) == (kind in UNTAGGED)


@pytest.mark.parametrize(
    "body",
    [
        {"params": {"target": "."}},
        {"params": {}, "id": "a-B_9"},
        {"parms": {}},
        {"params": []},
        {"id": "no space"},
        {"id": "newline\n"},
        {"timeout_s": 0},
        {"timeout_s": 0.1},
        {"retries": 101},
        {"labels": {"key": 1}},
        {"labels": {str(number): "" for number in range(33)}},
        {"type": "TaskCompletion"},
        {"traceparent": None},
        [],
    ],
    ids=json.dumps,
)
def test_the_schema_of_an_assignment_accepts_exactly_what_the_decoder_accepts(body: Any) -> None:
    try:
        decode(TaskAssignment, json.dumps(body).encode())
        accepted = True
    except SchemaError:
        accepted = False
    assert validator("TaskAssignment").is_valid(body) == accepted


def test_told_messages_may_grow_and_asked_ones_may_not() -> None:
    event = json.loads((VECTORS / "TaskStarted.json").read_bytes())
    assert validator("TaskStarted").is_valid({**event, "of_a_later_version": 1})
    cancel = json.loads((VECTORS / "TaskCancel.json").read_bytes())
    assert not validator("TaskCancel").is_valid({**cancel, "of_a_later_version": 1})


def test_times_are_checked() -> None:
    failure = json.loads((VECTORS / "TaskFailure.json").read_bytes())
    schema = json_schemas()["TaskFailure"]["properties"]
    assert schema["finished_at"]["format"] == "date-time"
    assert {"type": "string", "format": "date-time"} in schema["started_at"]["anyOf"]
    assert not validator("TaskFailure").is_valid({**failure, "finished_at": 5})


def test_what_a_field_means_stands_in_the_schema() -> None:
    """Editors show it; the text is the source's own."""
    step = json_schemas()["WorkflowDefinition"]["$defs"]["Step"]["properties"]
    assert step["foreach"]["description"].startswith("A list: the step is done once for each of its elements")
    started = json_schemas()["TaskStarted"]["properties"]
    assert started["attempt"]["description"].startswith("1 for the first execution")
    assert field_docs(int) == {}


def test_times_are_checked_deep_inside() -> None:
    entry = json.loads((VECTORS / "WorkflowEntry.json").read_bytes())
    entry["events"][0]["kept"][0]["started_at"] = 5
    assert not validator("WorkflowEntry").is_valid(entry)
    change = json.loads((VECTORS / "ScheduleChange.once.json").read_bytes())
    change["schedule"]["at"] = 5
    assert not validator("ScheduleChange").is_valid(change)


class TestDefinitions:
    """The schema of workflow definitions is for editors too: what they mark is what is refused."""

    whole = json.loads((VECTORS / "WorkflowPut.json").read_bytes())["definition"]

    def fits(self, step: dict[str, Any]) -> bool:
        return bool(validator("WorkflowDefinition").is_valid({"name": "w", "steps": {"only": step}}))

    def test_a_definition_that_uses_every_field(self) -> None:
        validator("WorkflowDefinition").validate(self.whole)

    def test_the_same_as_toml(self) -> None:
        body = tomllib.loads('name = "w"\n[steps.a]\ntask = "security"\n[steps.b]\nneeds = ["a"]\nwait = {for_s = 5}\n')
        validator("WorkflowDefinition").validate(body)

    @pytest.mark.parametrize(
        "step",
        [
            {},
            {"task": None},
            {"task": "a", "workflow": "b"},
            {"wait": {}},
            {"wait": {"for_s": 1, "until": "2026-11-22T10:00:00Z"}},
            {"task": "a", "need": ["b"]},
            {"task": "a", "parallelism": 0},
            {"task": "a", "timeout_s": 0},
        ],
        ids=json.dumps,
    )
    def test_what_is_marked(self, step: dict[str, Any]) -> None:
        assert not self.fits(step)

    @pytest.mark.parametrize(
        "step", [{"task": "a"}, {"task": "a", "wait": None}, {"wait": {"for_s": "${input.s}"}}], ids=json.dumps
    )
    def test_what_is_not(self, step: dict[str, Any]) -> None:
        assert self.fits(step)


def test_the_export_is_the_same_each_time() -> None:
    assert json.dumps(json_schemas()) == json.dumps(json_schemas())
    assert json.dumps(asyncapi()) == json.dumps(asyncapi())


def test_the_addresses_are_those_that_the_bus_builds() -> None:
    subjects = Subjects("some-realm")
    built = {
        "task": subjects.task("{task_type}"),
        "taskPriority": subjects.task("{task_type}", "{priority}"),  # type: ignore[arg-type]  # a placeholder
        "workflow": subjects.workflow("{workflow}"),
        "settle": subjects.settle("{task_type}", "{task_id}"),
        "result": subjects.result("{task_type}", "{task_id}"),
        "event": subjects.event("{task_type}", "{task_id}"),
        "escalation": subjects.escalation("{severity}", "{clone}"),
        "command": subjects.command("{target}"),
        "heartbeat": subjects.heartbeat("{clone}", "{instance}"),
        "status": subjects.status(),
        "statusClone": subjects.status("{clone}"),
        "statusInstance": subjects.status("{clone}", "{instance}"),
        "call": subjects.call("{task_type}"),
        "callWorkflow": subjects.call_workflow("{workflow}"),
        "callCommand": subjects.call_command(),
        "eventInstance": subjects.event("instance", "{instance}"),
        "handover": subjects.handover("{task_type}", "{clone}"),
        "routes": f"$KV.{subjects.routes}.table",
        "history": subjects.history("{task_id}"),
        "workflows": f"$KV.{subjects.workflows}.{{workflow}}.{{version}}",
        "schedules": f"$KV.{subjects.schedules}.{{schedule}}",
        "ask": subjects.ask("{task_type}"),
    }
    channels = asyncapi("some-realm")["channels"]
    assert {name: channels[name]["address"] for name in channels if channels[name]["address"]} == built


def test_every_reference_of_the_asyncapi_document_leads_somewhere() -> None:
    document = asyncapi()
    references = list(_references(document))
    assert len(references) > 2 * len(SUBJECTS)
    for reference in references:
        found: Any = document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
        assert isinstance(found, dict), reference


def _references(value: Any) -> Any:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for each in value.values():
            yield from _references(each)
    elif isinstance(value, list):
        for each in value:
            yield from _references(each)


def test_each_operation_names_messages_of_its_own_channel() -> None:
    document = asyncapi()
    for name, operation in document["operations"].items():
        for part in (operation, operation.get("reply")):
            if part is not None:
                channel = part["channel"]["$ref"]
                assert all(ref["$ref"].startswith(f"{channel}/messages/") for ref in part["messages"]), name
        for parameter in document["channels"][name].get("parameters", {}):
            assert f"{{{parameter}}}" in document["channels"][name]["address"]


def test_unknown_codes_of_failures_fit() -> None:
    failure = json.loads((VECTORS / "TaskFailure.json").read_bytes())
    assert validator("TaskFailure").is_valid({**failure, "code": "of_a_later_version"})
    assert decode(TaskFailure, json.dumps({**failure, "code": ErrorCode.CANCELLED}).encode()).code == "cancelled"
