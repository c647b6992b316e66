"""What an engine found, whether it stands in its task's result or travelled as an artifact beside it."""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import msgspec

from bus.artifacts import Artifacts
from bus.errors import SanctuaryError
from bus.network import Network
from schemas import TaskCompletion, TaskResult

MAX_DATA_BYTES = 64 * 1024 * 1024
"""Larger data are not read."""


async def data_of(network: Network, result: TaskResult | None) -> dict[str, Any] | None:
    """Return `data` of a result's output; None where it has none, its artifact is gone, or larger than `MAX_DATA_BYTES`."""
    if not isinstance(result, TaskCompletion) or not isinstance(result.output, dict):
        return None
    data = result.output.get("data")
    if data is None and isinstance(name := result.output.get("data_artifact"), str):
        data = await _fetched(network, result, name)
    return data if isinstance(data, dict) else None


async def whole(network: Network, result: TaskResult) -> TaskResult:
    """Return the result with its data in its output, however they travelled; without them, as it is."""
    data = await data_of(network, result)
    if data is None or not isinstance(result, TaskCompletion):
        return result
    return msgspec.structs.replace(result, output={**result.output, "data": data})


async def _fetched(network: Network, result: TaskCompletion, name: str) -> Any:
    if not any(ref.name == name and ref.size_bytes <= MAX_DATA_BYTES for ref in result.artifacts):
        return None
    with tempfile.TemporaryDirectory(prefix="sanctuary-data-") as scratch:
        path = Path(scratch, "data.json")
        try:
            await Artifacts(network).get(name, path)
            return msgspec.json.decode(await asyncio.to_thread(path.read_bytes))
        except (SanctuaryError, msgspec.DecodeError):
            return None
