"""`nats req sanctuary.call.<type>`: Omega validates at once, submits the durable task, and answers with its result.

`sanctuary.call.command` takes a command in the same way and answers with the verdict.

A NATS micro service (ADR-32) in the queue group `omega`, so that several Omegas share the calls. Errors stand in the
`Nats-Service-Error` headers; a TaskFailure stands there too and is the body.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

import msgspec
import nats.micro
from nats.errors import Error as NatsError
from nats.micro.request import Request

from bus.errors import SanctuaryError
from bus.identity import OMEGA, Identity
from bus.intake import MAX_BODY_BYTES, describe_body, describe_command, misuse
from bus.subjects import COMMAND_TYPE, WORKFLOW_TYPE
from bus.task import TaskError, printable
from clones.misfits import describe_misfit
from clones.omega.once import store_command
from clones.omega.workflows.beginning import first_event
from clones.omega.workflows.steering import Workflows
from clones.params import PARAMS
from clones.routing import known_types, type_of
from schemas import (
    JSON,
    MSGPACK,
    Command,
    ErrorCode,
    RoutingTable,
    SchemaError,
    TaskAssignment,
    TaskFailure,
    TaskResult,
    WorkflowStart,
    convert,
    decode,
    encode,
    new_id,
    sequence_id,
)

QUEUE_GROUP = OMEGA
LONGEST_WAIT_S = 24 * 3600.0
"""How long a call's caller is kept in mind; the task lives on."""
MOST = 1000
"""So many callers are kept in mind at once, each with its body of up to a megabyte."""

log = logging.getLogger(__name__)
Work = Callable[[Request], Awaitable[TaskResult | None]]
"""Returns what a request is answered with; None: with nothing."""
_T = TypeVar("_T", TaskAssignment, WorkflowStart)


class CallRefused(Exception):
    """A call that cannot become a task, and why."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def read_call(table: RoutingTable, name: str, data: bytes, content_type: str) -> tuple[str, TaskAssignment]:
    """Return the task that a call asks for by the name of a type or an alias, with its type's own name.

    Parameters are checked where they are known here: those of users' own types are not.

    Raises:
        CallRefused: the body is no TaskAssignment, or nobody serves it.
    """
    task_type = type_of(table, name)
    if task_type is None:
        raise CallRefused(ErrorCode.UNKNOWN_TASK_TYPE, f"no clone serves {name!r}; known: {known_types(table)}")
    assignment = _decode(TaskAssignment, data, content_type)
    if (kind := PARAMS.get(task_type)) is not None:
        try:
            convert(kind, assignment.params)
        except SchemaError as error:
            raise CallRefused(ErrorCode.INCOMPATIBLE_TASK, describe_misfit(task_type, kind, error.message)) from None
    return task_type, assignment


def read_workflow_call(data: bytes, content_type: str) -> WorkflowStart:
    """Return the workflow start that a call asks for; raises as `read_call`."""
    return _decode(WorkflowStart, data, content_type)


def read_command(data: bytes, content_type: str) -> Command:
    """Return the command that a call sends; raises as `read_call`."""
    _check_size(data, "command")
    try:
        command: Command = decode(Command, data or b"{}", content_type)
        encode(command)
    except SchemaError as error:
        raise CallRefused(ErrorCode.INVALID_ASSIGNMENT, describe_command(error.message)) from None
    except (TypeError, ValueError) as error:
        raise CallRefused(ErrorCode.INVALID_ASSIGNMENT, f"the command cannot be written as JSON: {error}") from None
    return command


def _decode(kind: type[_T], data: bytes, content_type: str) -> _T:
    _check_size(data, "task")
    try:
        message: _T = decode(kind, data or b"{}", content_type)
    except SchemaError as error:
        raise CallRefused(ErrorCode.INVALID_ASSIGNMENT, describe_body(kind, error.message)) from None
    # The network would store the refusal under an id of its own, and the call would wait for the one that was asked for.
    if (problem := misuse(message)) is not None:
        raise CallRefused(ErrorCode.INVALID_ASSIGNMENT, problem)
    return message


def _check_size(data: bytes, kind: str) -> None:
    if len(data) > MAX_BODY_BYTES:
        too_large = f"the body has {len(data):,} bytes; a {kind} may have {MAX_BODY_BYTES:,}"
        raise CallRefused(ErrorCode.INVALID_ASSIGNMENT, too_large)


class Calls:
    """The call service of one Omega; use as an async context manager."""

    def __init__(
        self,
        identity: Identity,
        version: str,
        workflows: Workflows,
        *,
        asks: Work,
    ) -> None:
        """Take what this Omega has for its workflows, and what answers tasks that ask for others (`clones.omega.asks`)."""
        self._network = workflows.network
        self._submitter = workflows.submitter
        self._identity = identity
        self._version = version
        self._workflows = workflows
        self._asks = asks
        self._waiting: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "Calls":
        self._service = await nats.micro.add_service(
            self._network.client,
            name=f"{self._network.subjects.realm}-omega",
            version=self._version,
            description="Tasks by request and reply",
            queue_group=QUEUE_GROUP,
            metadata={"instance": self._identity.instance},
        )
        subjects = self._network.subjects
        await self._service.add_endpoint(name="call", subject=subjects.call("*"), handler=self._on_call)
        await self._service.add_endpoint(
            name="call-workflow", subject=subjects.call_workflow("*"), handler=self._on_workflow
        )
        await self._service.add_endpoint(name="ask", subject=subjects.ask("*"), handler=self._on_ask)
        # Until the server knows the subscriptions, a first request would meet no responders.
        await self._network.client.flush()
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            if self._network.is_connected():
                await self._service.stop()
        except NatsError as error:
            log.warning("the call service was not withdrawn: %s", error)
        for task in self._waiting:
            task.cancel()
        await asyncio.gather(*self._waiting, return_exceptions=True)

    # An endpoint of nats-py handles one request at a time, so each call waits in a task of its own.

    async def _on_call(self, request: Request) -> None:
        # `call.command` lies within `call.*`; an endpoint of its own would have each command answered twice.
        is_command = request.subject == self._network.subjects.call_command()
        self._spawn(request, self._command if is_command else self._call)

    async def _on_workflow(self, request: Request) -> None:
        self._spawn(request, self._start_workflow)

    async def _on_ask(self, request: Request) -> None:
        self._spawn(request, self._asks)

    def _spawn(self, request: Request, work: Work) -> None:
        if len(self._waiting) >= MOST:
            work = _too_many
        task = asyncio.create_task(self._answer(request, work))
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    async def _call(self, request: Request) -> TaskResult:
        task_type, assignment = read_call(
            self._workflows.table(), last_token(request.subject), request.data, content_type(request)
        )
        task_id = assignment.id or new_id()
        complete = msgspec.structs.replace(assignment, id=task_id)
        with _told_of(task_type, task_id):
            return await self._submitter.run(task_type, complete, timeout_s=LONGEST_WAIT_S)

    async def _start_workflow(self, request: Request) -> TaskResult:
        name = last_token(request.subject)
        start = read_workflow_call(request.data, content_type(request))
        await self._check_start(name, start)
        task_id = start.id or new_id()
        with _told_of(WORKFLOW_TYPE, task_id):
            await self._submitter.start_workflow(name, msgspec.structs.replace(start, id=task_id))
            return await self._submitter.result(WORKFLOW_TYPE, task_id, timeout_s=LONGEST_WAIT_S)

    async def _check_start(self, name: str, start: WorkflowStart) -> None:
        try:
            await first_event(name, start, self._workflows.definitions, self._workflows.others)
        except TaskError as refusal:
            raise CallRefused(ErrorCode(refusal.code), refusal.message) from None
        except SchemaError as error:
            log.info("a start is not checked here: %s", error.message)

    async def _command(self, request: Request) -> TaskResult:
        command = read_command(request.data, content_type(request))
        try:
            sequence = await store_command(self._network, command)
        except SanctuaryError as error:
            unknown = (
                f"the command may not be stored, so ask what became of it before it is sent again: {error.message}"
            )
            raise CallRefused(ErrorCode.NETWORK_UNAVAILABLE, unknown) from None
        verdict = sequence_id(sequence)
        with _told_of(COMMAND_TYPE, verdict):
            return await self._submitter.result(COMMAND_TYPE, verdict, timeout_s=LONGEST_WAIT_S)

    async def _answer(self, request: Request, work: Work) -> None:
        wanted = content_type(request)
        try:
            try:
                result = await work(request)
                body = b"" if result is None else encode(result, wanted)
            except CallRefused as refusal:
                await request.respond_error(refusal.code, _one_line(refusal.message))
            except Exception as error:  # noqa: BLE001  whatever it is, the caller must not wait for ever
                asyncio.get_running_loop().call_exception_handler({"message": "a call failed", "exception": error})
                await request.respond_error(ErrorCode.HANDLER_FAILED, _one_line(f"{type(error).__name__}: {error}"))
            else:
                headers = {"Content-Type": wanted}
                if isinstance(result, TaskFailure):
                    await request.respond_error(result.code, _one_line(result.message), data=body, headers=headers)
                else:
                    await request.respond(body, headers=headers)
        except (NatsError, ValueError) as error:  # ValueError: a call without a reply subject
            log.warning("a call on %s could not be answered: %s", request.subject, error)


async def _too_many(_: Request) -> TaskResult:
    raise CallRefused(
        ErrorCode.NETWORK_UNAVAILABLE,
        f"nothing was stored: {MOST:,} calls wait here for their results already; call again later, or submit the task",
    )


@contextlib.contextmanager
def _told_of(task_type: str, task_id: str) -> Iterator[None]:
    """Turn what keeps a task's result from its caller into a CallRefused that names the task.

    The end of this Omega too: the caller would otherwise wait for an answer that nobody sends any more.
    """
    by_id = f"ask for {task_type} {task_id} by its id"
    try:
        yield
    except ValueError as error:  # JSON takes more room than MessagePack
        raise CallRefused(ErrorCode.INVALID_ASSIGNMENT, str(error)) from None
    except TimeoutError:
        message = f"no result within {LONGEST_WAIT_S / 3600:g} h; the task lives on, {by_id}"
        raise CallRefused(ErrorCode.NETWORK_UNAVAILABLE, message) from None
    except SanctuaryError as error:
        raise CallRefused(ErrorCode.NETWORK_UNAVAILABLE, f"{error.message}; {by_id}") from None
    except asyncio.CancelledError:
        raise CallRefused(ErrorCode.NETWORK_UNAVAILABLE, f"this Omega stops; {by_id}") from None


def content_type(request: Request) -> str:
    """Return how a call's body is encoded, and its answer."""
    return MSGPACK if (request.headers or {}).get("Content-Type") == MSGPACK else JSON


def last_token(subject: str) -> str:
    """Return the name that a request's subject ends with."""
    return subject.rpartition(".")[2]


def _one_line(text: str) -> str:
    """Return `text` fit for a header."""
    return " ".join(printable(text).split())
