"""Delta's drafted property tests on functions that are made here: each with a fault beside a twin that is right."""

import ast
import tempfile
import time
from pathlib import Path

from clones.engines.properties import Module, draft, look
from clones.engines.properties.drafts import Draft
from tests.eval.knots import counted, write
from tests.eval.outcome import Part, Row, Told, flawless

OURS = "strategy"
MODULE = "pieces.py"
_BUDGET_S = 900.0

SOURCE = '''\
"""Functions with a fault (`faulty`), each beside one without."""

import json


def pack_faulty(parts: list[str]) -> str:
    return ",".join(parts) if parts else ""


def unpack_faulty(text: str) -> list[str]:
    return text.split(",") if text else []


def pack_right(parts: list[str]) -> str:
    return json.dumps(parts) if parts else ""


def unpack_right(text: str) -> list[str]:
    return list(json.loads(text)) if text else []


def normalize_faulty(text: str) -> str:
    return text.replace("  ", " ") if "  " in text else text


def normalize_right(text: str) -> str:
    return " ".join(text.split()) if text else text


def truncate_faulty(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[:limit] + "..."


def truncate_right(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: max(0, limit)]


def average_faulty(numbers: list[int]) -> float:
    return sum(numbers) / len(numbers)


def average_right(numbers: list[int]) -> float:
    return sum(numbers) / len(numbers) if numbers else 0.0


def first_faulty(words: list[str]) -> str:
    return words[0] if words else None


def first_right(words: list[str]) -> str | None:
    return words[0] if words else None
'''
_KINDS = {
    "pack": "round trip",
    "normalize": "idempotent",
    "truncate": "bounds",
    "average": "errors",
    "first": "returns",
}
"""What of each function is not so."""
FAULTS = frozenset((f"{name}_faulty", kind) for name, kind in _KINDS.items())
RIGHT = frozenset((f"{name}_right", kind) for name, kind in _KINDS.items())


def measure(tell: Told) -> Part:
    """Have Delta draft property tests for all of them."""
    with tempfile.TemporaryDirectory(prefix="sanctuary-eval-") as scratch:
        target, out = Path(scratch) / "target", Path(scratch) / "out"
        write(target, {MODULE: SOURCE})
        out.mkdir()
        tell("drafting and running")
        begin = time.monotonic()
        found = look(target, drafted(), out, lambda *_: None, deadline=begin + _BUDGET_S).data
        seconds = time.monotonic() - begin
    failing = {(row["function"], row["property"]) for row in found["tests"] if row["outcome"] == "fails"}
    tried = {(row["function"], row["property"]) for row in found["tests"]}
    rows = (Row(material="functions", engine=OURS, score=counted(failing, FAULTS, RIGHT), seconds=seconds),)
    return Part(
        name="drafts",
        title="property tests that are drafted and run, on faulty functions and on their twins",
        rows=rows,
        verdicts=(flawless(rows, OURS, "faults"),),
        wrong=(
            *(f"missed: {name}, {kind}" for name, kind in sorted(FAULTS - failing)),
            *(f"false: {name}, {kind}" for name, kind in sorted(failing & RIGHT)),
            *(f"not tried: {name}, {kind}" for name, kind in sorted((FAULTS | RIGHT) - tried)),
        ),
    )


def drafted() -> list[Draft]:
    """Return the drafts for all functions; a task makes them for the riskiest."""
    module = Module(name=MODULE.removesuffix(".py"), file=MODULE, tree=ast.parse(SOURCE))
    found = (draft(module, name) for name in module.functions())
    return [each for each in found if each is not None]
