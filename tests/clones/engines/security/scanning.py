"""One scanner on a target that a test writes."""

from collections.abc import Callable, Mapping
from pathlib import Path

from clones.engines.security.reported import Scan
from clones.engines.security.scope import Scope, survey

Scanner = Callable[[Path, Scope, Callable[[float], None]], Scan]


def scanned(scan: Scanner, tmp_path: Path, files: Mapping[str, str]) -> Scan:
    """Write `files` below `tmp_path/target`, and return what `scan` makes of them."""
    target, copy = tmp_path / "target", tmp_path / "copy"
    copy.mkdir()
    for name, text in files.items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_text(text)
    return scan(copy, survey(target, copy), lambda _: None)
