"""Asking Omega for another clone's work from within a task: the asking side.

The request is held for a few seconds and answered with the result or with nothing; then the same is asked again, of whichever
Omega is there. What is asked for has a key that follows from who asks and for what, so that it is done once however often it
is asked for: after a lost answer, by a later attempt, or of another Omega. The id of its task is Omega's to give.
"""

import asyncio
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from bus.errors import Disconnected, NoResponders, RequestTimeout
from bus.network import Network
from bus.task import Task, TaskError
from schemas import ErrorCode, TaskAssignment, TaskResult, decode, encode

HELD_S = 5.0
"""How long Omega holds a request whose task has not ended."""
ANSWERED_WITHIN_S = HELD_S + 3.0
"""An Omega that has not answered by then is gone."""
AGAIN_S = 0.5
"""The pause before a network that is away, or has too much to do, is asked again."""


async def ask(
    network: Network,
    task: Task,
    task_type: str,
    params: Mapping[str, Any],
    *,
    key: str | None = None,
    timeout_s: float | None = None,
) -> TaskResult:
    """Return the result of a task of `task_type`, a type or an alias, done for `task`.

    `key` tells apart what one task asks for; None: the type and the parameters do. `timeout_s` is what the asked task may take
    in all; None: its type's limits, within what is left of `task`'s own, which hold in any case. While no Omega answers this
    waits, until `task` runs out of time. When `task` ends before the asked one, that one is cancelled.

    Raises:
        TaskError: Omega refused: `ask_refused` (the routing table does not allow it, or it would come back to its own type),
            `unknown_task_type`, `incompatible_task`, `invalid_assignment`. The message says why.
    """
    wanted = TaskAssignment(
        id=key_of(task, task_type, params, key),
        params=dict(params),
        timeout_s=timeout_s,
        schedule_to_close_s=timeout_s,
        parent_id=task.id,
        parent_type=task.task_type,
    )
    subject, body = network.subjects.ask(task_type), encode(wanted)
    while True:
        try:
            answer = await network.requester.request(subject, body, timeout_s=ANSWERED_WITHIN_S)
        except RequestTimeout:
            continue
        except (NoResponders, Disconnected):
            await asyncio.sleep(AGAIN_S)
            continue
        if answer.data:
            result: TaskResult = decode(TaskResult, answer.data)
            return result
        headers = answer.headers or {}
        code = headers.get("Nats-Service-Error-Code")
        if code == ErrorCode.NETWORK_UNAVAILABLE:
            await asyncio.sleep(AGAIN_S)
        elif code is not None:
            raise TaskError(code, f"{task_type} could not be asked for: {headers.get('Nats-Service-Error', code)}")


def key_of(task: Task, task_type: str, params: Mapping[str, Any], key: str | None) -> str:
    """Return what tells apart what a task asks for: the same in every attempt."""
    told = json.dumps(dict(params), sort_keys=True) if key is None else f"key {key}"
    return hashlib.sha256(f"{task.task_type}/{task.id}/{task_type}/{told}".encode()).hexdigest()[:32]
