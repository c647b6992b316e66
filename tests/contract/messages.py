"""Every kind of message, found in the package rather than listed, and its golden vectors."""

import typing
from pathlib import Path

import msgspec

import schemas
from schemas.base import Asked, Told

VECTORS = Path(__file__).with_name("vectors")


def _kinds() -> dict[str, type[msgspec.Struct]]:
    kinds: dict[str, type[msgspec.Struct]] = {}
    waiting: list[type[msgspec.Struct]] = [Told, Asked]
    while waiting:
        for kind in waiting.pop().__subclasses__():
            if kind.__module__.startswith("schemas."):
                kinds[kind.__name__] = kind
                waiting.append(kind)
    return kinds


KINDS = _kinds()
"""Name to struct. `TaskEvent` is what all events share; it is never sent."""
SENT = {name: kind for name, kind in KINDS.items() if kind is not schemas.TaskEvent}
EVENTS_OF_RUNS = {kind.__name__ for kind in typing.get_args(schemas.WorkflowEvent)}
"""They are stored within a WorkflowEntry, for as long as the ledger: the promise holds for each of them."""


def vectors_of(name: str) -> list[Path]:
    """The vectors of a message: `<name>.json` with every field, `<name>.<case>.json` for more."""
    return sorted([*VECTORS.glob(f"{name}.json"), *VECTORS.glob(f"{name}.*.json")])
