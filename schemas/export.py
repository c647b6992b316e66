"""JSON Schema (2020-12) of every message and of workflow definitions, and an AsyncAPI 3.0 document of what goes where. Pure.

Both come from the structs and the table of subjects here; the same code gives the same documents.
"""

import typing
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import msgspec

import schemas
from schemas.base import Told
from schemas.field_docs import field_docs
from schemas.identifiers import ID_PATTERN, TOKEN_PATTERN

DIALECT = "https://json-schema.org/draft/2020-12/schema"
ASYNCAPI = "3.0.0"

Json = dict[str, Any]
Kind = type[msgspec.Struct]

UNTAGGED: frozenset[Kind] = frozenset({schemas.TaskAssignment, schemas.WorkflowStart, schemas.StatusQuery})
"""Messages whose subject says what they are: they may leave `type` out."""

FILES: tuple[Kind, ...] = (schemas.WorkflowDefinition,)
"""What people write as files of their own. Parts of messages otherwise."""

_ONE_OF: Mapping[str, tuple[str, ...]] = {
    "Schedule": ("cron", "every_s", "at"),
    "Step": ("task", "workflow", "decision", "wait"),
    "Wait": ("for_s", "until"),
}
"""By struct, the fields of which exactly one is given. The decoder takes others too: whoever reads them says what is wrong."""


@dataclass(frozen=True, slots=True)
class Subject:
    """One kind of subject; `<name>` stands for a token, `realm` is put in front."""

    name: str
    """In the AsyncAPI document."""
    pattern: str
    messages: tuple[Kind, ...]
    carrier: Literal["ledger", "results", "core", "request", "bucket"]
    """Stored in one of the streams, sent without being stored, asked with an answer expected, or kept in a key-value bucket."""
    text: str
    answers: tuple[Kind, ...] = ()


_EVENTS: tuple[Kind, ...] = (
    schemas.TaskStarted,
    schemas.TaskProgress,
    schemas.TaskRetrying,
    schemas.TaskReassigned,
    schemas.TaskParked,
    schemas.TaskResumed,
    schemas.TaskAsked,
    schemas.WorkflowWaiting,
)
_COMMANDS: tuple[Kind, ...] = (
    schemas.TaskCancel,
    schemas.RecoveryAction,
    schemas.Decision,
    schemas.RouteChange,
    schemas.WorkflowPut,
    schemas.ScheduleChange,
)
_RESULTS: tuple[Kind, ...] = (
    schemas.TaskCompletion,
    schemas.TaskFailure,
    schemas.WorkflowCompletion,
    schemas.WorkflowFailure,
)

SUBJECTS: tuple[Subject, ...] = (
    Subject(
        "task",
        "task.<task_type>",
        (schemas.TaskAssignment,),
        "ledger",
        "A task of this type, at the type's own priority. A request here answers with the stream's acknowledgement.",
    ),
    Subject(
        "taskPriority",
        "task.<task_type>.<priority>",
        (schemas.TaskAssignment,),
        "ledger",
        "A task of this type, at this priority.",
    ),
    Subject(
        "workflow",
        "workflow.<workflow>",
        (schemas.WorkflowStart,),
        "ledger",
        "The start of a workflow. Its result and events have the task type `workflow`.",
    ),
    Subject(
        "settle",
        "settle.<task_type>.<task_id>",
        _RESULTS,
        "results",
        "Where a result is written: the stream stores the first one under the result subject and refuses the rest.",
    ),
    Subject(
        "result",
        "result.<task_type>.<task_id>",
        _RESULTS,
        "results",
        "A task's one stored result, announced to subscribers. Publishing here stores nothing.",
    ),
    Subject("event", "event.<task_type>.<task_id>", _EVENTS, "ledger", "What happens to a task before its result."),
    Subject(
        "eventInstance",
        "event.instance.<instance>",
        (schemas.InstanceChanged,),
        "ledger",
        "An instance came, went, or is missed.",
    ),
    Subject(
        "handover",
        "handover.<task_type>.<clone>",
        (schemas.TaskAssignment,),
        "ledger",
        "A task that was parked, for this clone alone. Written by Omega.",
    ),
    Subject(
        "escalation",
        "escalation.<severity>.<clone>",
        (schemas.ErrorEscalation,),
        "ledger",
        "Something that a person or Omega should look at.",
    ),
    Subject(
        "command",
        "command.<target>",
        _COMMANDS,
        "ledger",
        "What operators and Omega ask for. The verdict is a result of the task type `command`, under `seq-<ledger sequence>`.",
    ),
    Subject(
        "history",
        "history.<task_id>",
        (schemas.WorkflowEntry,),
        "ledger",
        "What happened to a run of a workflow, from which its state follows. Written by Omega, each entry by compare-and-set.",
    ),
    Subject(
        "workflows",
        "$KV.<realm>_workflows.<workflow>.<version>",
        (schemas.WorkflowInForce,),
        "bucket",
        "A version of a workflow's definition, in the key-value bucket `<realm>_workflows`. Written by Omega, once.",
    ),
    Subject(
        "schedules",
        "$KV.<realm>_schedules.<schedule>",
        (schemas.ScheduleInForce,),
        "bucket",
        "A schedule and how far it has come, in the key-value bucket `<realm>_schedules`. Written by Omega.",
    ),
    Subject(
        "routes",
        "$KV.<realm>_routes.table",
        (schemas.RoutesInForce,),
        "bucket",
        "The routing table in force, under the key `table` of the key-value bucket `<realm>_routes`. Written by Omega.",
    ),
    Subject(
        "heartbeat",
        "heartbeat.<clone>.<instance>",
        (schemas.Heartbeat,),
        "core",
        "An instance lives; sent every second.",
    ),
    Subject(
        "status",
        "status",
        (schemas.StatusQuery,),
        "request",
        "Asks every instance for its status; each answers. An empty body means the same.",
        answers=(schemas.StatusResponse,),
    ),
    Subject(
        "statusClone",
        "status.<clone>",
        (schemas.StatusQuery,),
        "request",
        "Asks all instances of a clone.",
        answers=(schemas.StatusResponse,),
    ),
    Subject(
        "statusInstance",
        "status.<clone>.<instance>",
        (schemas.StatusQuery,),
        "request",
        "Asks one instance.",
        answers=(schemas.StatusResponse,),
    ),
    Subject(
        "call",
        "call.<task_type>",
        (schemas.TaskAssignment,),
        "request",
        "Submits a task and answers with its result; errors stand in the `Nats-Service-Error` headers.",
        answers=_RESULTS,
    ),
    Subject(
        "ask",
        "ask.<task_type>",
        (schemas.TaskAssignment,),
        "request",
        "A running task (`parent_type`, `parent_id`) asks Omega for work of this type and is answered with its result.",
        answers=_RESULTS,
    ),
    Subject(
        "callWorkflow",
        "call.workflow.<workflow>",
        (schemas.WorkflowStart,),
        "request",
        "Starts a workflow and answers with its result.",
        answers=_RESULTS,
    ),
    Subject(
        "callCommand",
        "call.command",
        _COMMANDS,
        "request",
        "Stores a command and answers with its verdict.",
        answers=_RESULTS,
    ),
)
"""Every subject of a network. `bus.subjects` builds and parses them."""

_PARAMETERS: Mapping[str, Json] = {
    "task_type": {"description": f"What is to be done: `{TOKEN_PATTERN}`."},
    "task_id": {"description": f"The task's id: `{ID_PATTERN}`."},
    "priority": {"description": "How urgent.", "enum": ["high", "medium", "low"]},
    "workflow": {"description": f"The workflow's name: `{TOKEN_PATTERN}`."},
    "severity": {"description": "How grave.", "enum": list(typing.get_args(schemas.Severity))},
    "clone": {"description": "A clone's name, such as `beta`."},
    "instance": {"description": "One instance of a clone, such as `beta-1f3a9c02`."},
    "target": {"description": "Who is to obey."},
    "version": {"description": "1 for the first."},
    "schedule": {"description": f"The schedule's name: `{TOKEN_PATTERN}`."},
}

_ACTIONS: Mapping[str, Literal["send", "receive"]] = {
    "result": "receive",
    "event": "receive",
    "eventInstance": "receive",
    "heartbeat": "receive",
    "routes": "receive",
    "history": "receive",
    "workflows": "receive",
    "schedules": "receive",
}
"""What an application outside the network does there; where nothing is said, it sends."""


def messages() -> tuple[Kind, ...]:
    """Return every message that goes over the wire, by name."""
    found = {kind for subject in SUBJECTS for kind in (*subject.messages, *subject.answers)}
    return tuple(sorted(found, key=lambda kind: kind.__name__))


def json_schemas() -> dict[str, Json]:
    """Return the JSON Schema document of each message and of each of FILES, by name."""
    components = _components("#/$defs/{name}")
    documents = {}
    for kind in (*messages(), *FILES):
        body = components[kind.__name__]
        needed = _referenced(body, components)
        definitions = {"$defs": {name: components[name] for name in needed}} if needed else {}
        documents[kind.__name__] = {"$schema": DIALECT, **body, **definitions}
    return documents


def asyncapi(realm: str = "sanctuary", version: str = "0.1.0") -> Json:
    """Return the AsyncAPI document of a network whose subjects begin with `realm`, as seen from outside of it."""
    components = _components("#/components/schemas/{name}")
    return {
        "asyncapi": ASYNCAPI,
        "info": {
            "title": "Sanctuary",
            "version": version,
            "description": "Durable tasks on NATS for a network of specialised agent daemons. Bodies are JSON, "
            "or MessagePack where the header `Content-Type` says `application/msgpack`.",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": schemas.JSON,
        "channels": {subject.name: _channel(realm, subject) for subject in SUBJECTS}
        | {f"{subject.name}Reply": _reply_channel(subject) for subject in SUBJECTS if subject.answers},
        "operations": {subject.name: _operation(subject) for subject in SUBJECTS if subject.name != "settle"},
        "components": {
            "messages": {kind.__name__: _message(kind, components) for kind in messages()},
            "schemas": components,
        },
    }


def _channel(realm: str, subject: Subject) -> Json:
    tokens = [token[1:-1] for token in _address(realm, subject).split(".") if token.startswith("<")]
    channel: Json = {
        "address": _address(realm, subject).replace("<", "{").replace(">", "}"),
        "description": f"{subject.text} Carrier: {subject.carrier}.",
        "messages": {kind.__name__: _ref(f"components/messages/{kind.__name__}") for kind in subject.messages},
    }
    if tokens:
        channel["parameters"] = {token: _PARAMETERS[token] for token in tokens}
    return channel


def _address(realm: str, subject: Subject) -> str:
    """Return where messages go: buckets have subjects of their own."""
    if subject.carrier == "bucket":
        return subject.pattern.replace("<realm>", realm)
    return f"{realm}.{subject.pattern}"


def _reply_channel(subject: Subject) -> Json:
    """Return the channel of the answers, which come on the request's own inbox."""
    return {
        "address": None,
        "messages": {kind.__name__: _ref(f"components/messages/{kind.__name__}") for kind in subject.answers},
    }


def _operation(subject: Subject) -> Json:
    operation: Json = {
        "action": _ACTIONS.get(subject.name, "send"),
        "channel": _ref(f"channels/{subject.name}"),
        "messages": [_ref(f"channels/{subject.name}/messages/{kind.__name__}") for kind in subject.messages],
    }
    if subject.answers:
        channel = f"channels/{subject.name}Reply"
        operation["reply"] = {
            "channel": _ref(channel),
            "messages": [_ref(f"{channel}/messages/{kind.__name__}") for kind in subject.answers],
        }
    return operation


def _message(kind: Kind, components: Mapping[str, Json]) -> Json:
    name = kind.__name__
    return {
        "name": name,
        "title": name,
        "summary": str(components[name].get("description", "")),
        "contentType": schemas.JSON,
        "payload": _ref(f"components/schemas/{name}"),
    }


def _ref(path: str) -> Json:
    return {"$ref": f"#/{path}"}


def _components(ref_template: str) -> dict[str, Json]:
    """Return the schema of each struct that a message is made of, in the order of their names."""
    _, components = msgspec.json.schema_components(messages(), ref_template=ref_template)
    for name, schema in components.items():
        _complete(getattr(schemas, name), schema)
    return {name: components[name] for name in sorted(components)}


def _complete(kind: Kind, schema: Json) -> None:
    """Say what the struct's own schema leaves out."""
    if kind in UNTAGGED:
        schema["required"] = [name for name in schema["required"] if name != "type"]
        if not schema["required"]:
            del schema["required"]
    if issubclass(kind, Told):
        schema["description"] += " Readers ignore fields that they do not know."
    for name, hint in typing.get_type_hints(kind).items():
        field = schema["properties"][name]
        if hint is datetime:
            field["format"] = "date-time"
        elif hint == datetime | None:
            field["anyOf"] = [{"type": "string", "format": "date-time"}, {"type": "null"}]
    for name, text in field_docs(kind).items():
        schema["properties"][name].setdefault("description", text)
    if kind.__name__ in _ONE_OF:
        schema["oneOf"] = [
            {"required": [name], "properties": {name: {"not": {"type": "null"}}}} for name in _ONE_OF[kind.__name__]
        ]


def _referenced(schema: Any, components: Mapping[str, Json]) -> list[str]:
    """Return the names of the other structs that a schema refers to, directly or through another."""
    found: set[str] = set()
    waiting = [schema]
    while waiting:
        match waiting.pop():
            case {"$ref": str(reference)}:
                name = reference.rpartition("/")[2]
                if name not in found:
                    found.add(name)
                    waiting.append(components[name])
            case dict() as mapping:
                waiting += mapping.values()
            case list() as items:
                waiting += items
    return sorted(found)
