"""What goes over the wire: messages, names, error codes, and their encoding. msgspec and the standard library only."""

from schemas.codec import JSON, MSGPACK, SchemaError, convert, decode, decode_grown, encode, to_plain
from schemas.commands import Command, Decision, RecoveryAction, TaskCancel, WorkflowStart
from schemas.errors import RETRYABLE, ErrorCode
from schemas.events import (
    AnyTaskEvent,
    InstanceChanged,
    TaskEvent,
    TaskParked,
    TaskProgress,
    TaskReassigned,
    TaskResumed,
    TaskRetrying,
    TaskStarted,
)
from schemas.identifiers import SEQUENCE_PREFIX, is_task_id, is_token, new_id, sequence_id
from schemas.routes import Backoff, Priority, Route, RouteChange, RoutesInForce, RoutingTable, Weights
from schemas.status import ErrorEscalation, Heartbeat, QueueStatus, Severity, State, StatusQuery, StatusResponse
from schemas.tasks import ArtifactRef, TaskAssignment, TaskCompletion, TaskFailure, TaskResult

__all__ = [
    "JSON",
    "MSGPACK",
    "RETRYABLE",
    "SEQUENCE_PREFIX",
    "AnyTaskEvent",
    "ArtifactRef",
    "Backoff",
    "Command",
    "Decision",
    "ErrorCode",
    "ErrorEscalation",
    "Heartbeat",
    "InstanceChanged",
    "Priority",
    "QueueStatus",
    "RecoveryAction",
    "Route",
    "RouteChange",
    "RoutesInForce",
    "RoutingTable",
    "SchemaError",
    "Severity",
    "State",
    "StatusQuery",
    "StatusResponse",
    "TaskAssignment",
    "TaskCancel",
    "TaskCompletion",
    "TaskEvent",
    "TaskFailure",
    "TaskParked",
    "TaskProgress",
    "TaskReassigned",
    "TaskResult",
    "TaskResumed",
    "TaskRetrying",
    "TaskStarted",
    "Weights",
    "WorkflowStart",
    "convert",
    "decode",
    "decode_grown",
    "encode",
    "is_task_id",
    "is_token",
    "new_id",
    "sequence_id",
    "to_plain",
]
