"""submit.py URL TYPE TARGET: hand in a task and print its result. Needs nats-py and nothing of Sanctuary."""

import asyncio
import json
import secrets
import sys

import nats


async def main(url: str, task_type: str, target: str) -> None:
    client = await nats.connect(url)
    task_id = secrets.token_hex(16)
    # Listening begins before the task is handed in, so its result cannot be missed.
    results = await client.subscribe(f"sanctuary.result.{task_type}.{task_id}")
    task = {"id": task_id, "params": {"target": target}}
    # A request, because the answer says that the task is stored.
    await client.request(f"sanctuary.task.{task_type}", json.dumps(task).encode(), timeout=5)
    result = await results.next_msg(timeout=600)
    sys.stdout.write(result.data.decode())
    await client.close()


asyncio.run(main(*sys.argv[1:]))
