"""Small projects, written for a test."""

from collections.abc import Mapping
from pathlib import Path

from clones.engines.architecture import analyse
from clones.engines.contract import EngineOutput
from clones.params import ArchitectureParams


def write(root: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write `files` below `root` and return it."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def run(target: Path, out: Path) -> EngineOutput:
    """Run the engine, checking that its progress only rises and stays within 0 and 1."""
    out.mkdir(parents=True)
    fractions: list[float] = []
    output = analyse(
        target, ArchitectureParams(target=str(target)), out, lambda fraction, _: fractions.append(fraction)
    )
    assert fractions == sorted(fractions)
    assert fractions[0] >= 0.0 and fractions[-1] <= 1.0
    return output
