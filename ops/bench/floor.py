"""The floor: what nats-py alone needs for the stored steps of a task, with nothing of ours in between.

Stored publish, pull, stored result, acknowledgement, result seen by the submitter. No schema, no events, no look for an
earlier result, no lease.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable

from nats.aio.client import Client
from nats.aio.msg import Msg

BATCH = 256
TASKS, RESULTS = "BENCH_FLOOR_TASKS", "BENCH_FLOOR_RESULTS"


async def prepare(client: Client) -> None:
    """Make the two streams and the consumer."""
    await _api(client, f"STREAM.CREATE.{TASKS}", {"name": TASKS, "subjects": ["floor.task"], "storage": "file"})
    await _api(client, f"STREAM.CREATE.{RESULTS}", {"name": RESULTS, "subjects": ["floor.result.*"], "storage": "file"})
    consumer = {"durable_name": "floor", "ack_policy": "explicit", "max_ack_pending": -1}
    await _api(client, f"CONSUMER.CREATE.{TASKS}.floor", {"stream_name": TASKS, "config": consumer})


async def work(client: Client) -> None:
    """Serve until cancelled."""
    inbox = client.new_inbox()
    running: set[asyncio.Task[None]] = set()
    wanted = 0

    async def serve(message: Msg) -> None:
        await _stored(client, f"floor.result.{message.data.decode()}", message.data)
        await message.ack()

    async def on_message(message: Msg) -> None:
        nonlocal wanted
        if not message.reply:
            wanted = 0
        else:
            wanted -= 1
            task = asyncio.create_task(serve(message))
            running.add(task)
            task.add_done_callback(running.discard)
        if wanted <= BATCH // 2:
            await pull(BATCH - wanted)

    async def pull(batch: int) -> None:
        nonlocal wanted
        wanted += batch
        body = json.dumps({"batch": batch, "expires": 30_000_000_000}).encode()
        await client.publish(f"$JS.API.CONSUMER.MSG.NEXT.{TASKS}.floor", body, reply=inbox)

    await client.subscribe(inbox, cb=on_message)
    await pull(BATCH)
    await asyncio.Event().wait()


async def submitter(client: Client) -> Callable[[str], Awaitable[float]]:
    """Return what submits one task and returns the seconds until its result was seen."""
    waiting: dict[str, asyncio.Future[None]] = {}

    async def on_result(message: Msg) -> None:
        future = waiting.pop(message.data.decode(), None)
        if future is not None:
            future.set_result(None)

    await client.subscribe("floor.result.*", cb=on_result)

    async def submit(task_id: str) -> float:
        begun = time.perf_counter()
        waiting[task_id] = future = asyncio.get_running_loop().create_future()
        await _stored(client, "floor.task", task_id.encode())
        await future
        return time.perf_counter() - begun

    return submit


async def _stored(client: Client, subject: str, data: bytes) -> None:
    answer = json.loads((await client.request(subject, data, timeout=30)).data)
    if "error" in answer:
        raise RuntimeError(answer["error"]["description"])


async def _api(client: Client, subject: str, body: object) -> None:
    answer = json.loads((await client.request(f"$JS.API.{subject}", json.dumps(body).encode(), timeout=30)).data)
    if "error" in answer:
        raise RuntimeError(answer["error"]["description"])
