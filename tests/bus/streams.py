"""The least streams that the permissions can be tried on; the network's own are made by its topology."""

from typing import Any

import msgspec
from nats.aio.client import Client

from tests.bus.eventually import WITHIN_S

RESULTS: dict[str, Any] = {
    "name": "SANCTUARY_RESULTS",
    "subjects": ["sanctuary.settle.*.*"],
    "subject_transform": {"src": "sanctuary.settle.*.*", "dest": "sanctuary.result.{{wildcard(1)}}.{{wildcard(2)}}"},
    "republish": {"src": "sanctuary.result.>", "dest": "sanctuary.result.>"},
    "max_msgs_per_subject": 1,
    "discard": "new",
    "discard_new_per_subject": True,
    "deny_delete": True,
    "allow_direct": True,
}
LEDGER: dict[str, Any] = {
    "name": "SANCTUARY_LEDGER",
    "subjects": [
        f"sanctuary.{family}.>"
        for family in ("task", "handover", "event", "workflow", "command", "escalation", "checkpoint")
    ],
    "sources": [{"name": "SANCTUARY_RESULTS"}],
    "allow_direct": True,
}


async def api(client: Client, subject: str, body: Any = None) -> dict[str, Any]:
    answer = await client.request(
        f"$JS.API.{subject}", b"" if body is None else msgspec.json.encode(body), timeout=WITHIN_S
    )
    decoded: dict[str, Any] = msgspec.json.decode(answer.data)
    assert "error" not in decoded, decoded
    return decoded


async def make_streams(client: Client) -> None:
    for stream in (RESULTS, LEDGER):
        await api(client, f"STREAM.CREATE.{stream['name']}", stream)
    consumers = {
        "task_security": "sanctuary.task.security",
        "task_architecture": "sanctuary.task.architecture",
        "handover_security+beta": "sanctuary.handover.security.beta",
        "handover_security+delta": "sanctuary.handover.security.delta",
        "commands": "sanctuary.command.>",
        "escalations": "sanctuary.escalation.>",
        "workflow_review": "sanctuary.workflow.review",
    }
    for name, subject in consumers.items():
        config = {"durable_name": name, "ack_policy": "explicit", "filter_subject": subject}
        request = {"stream_name": "SANCTUARY_LEDGER", "config": config}
        await api(client, f"CONSUMER.DURABLE.CREATE.SANCTUARY_LEDGER.{name}", request)
    js = client.jetstream(timeout=WITHIN_S)
    await js.create_object_store("sanctuary_artifacts")
    await js.create_key_value(bucket="sanctuary_routes", direct=True)


async def stored(client: Client, stream: str) -> dict[str, int]:
    """Messages of a stream by subject."""
    info = await api(client, f"STREAM.INFO.{stream}", {"subjects_filter": ">"})
    return dict(info["state"].get("subjects") or {})
