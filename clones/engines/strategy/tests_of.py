"""The target's tests as text: where they are, and which words they have."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from clones.engines import target_files
from clones.engines.architecture.discovery import Unit, role_of_path
from clones.engines.architecture.tree import MAX_FILE_BYTES
from clones.engines.statements import quoted

_WORD = re.compile(rb"[A-Za-z0-9_]+")


def places_of_tests(python: Sequence[str], units: Sequence[Unit]) -> list[str]:
    """Return the directories, or single files, that hold the tests and nothing else; the topmost ones, sorted."""
    tests = {file for unit in units if unit.role == "test" for file in unit.files}
    tests |= {file for file in python if role_of_path(file) == "test"}
    places: set[str] = set()
    for file in tests:
        above = [str(path) for path in PurePosixPath(file).parents][:-1]
        whole = [place for place in above if all(other in tests for other in python if other.startswith(f"{place}/"))]
        places.add(whole[-1] if whole else file)
    return sorted(places)


def words(target: Path, python: Sequence[str], places: Sequence[str]) -> Counter[str]:
    """Return in how many test files each word stands, as `grep -w` sees words."""
    found: Counter[str] = Counter()
    for file in python:
        if any(file == place or file.startswith(f"{place}/") for place in places):
            found.update(
                {
                    word.decode("ascii")
                    for word in _WORD.findall(target_files.content(target, file, MAX_FILE_BYTES) or b"")
                }
            )
    return found


def words_command(name: str, places: Sequence[str]) -> str:
    """Return a command that prints in how many test files `name` stands as a word."""
    where = " ".join(map(quoted, places))
    return f"grep -rlwF --include='*.py' {quoted(name)} {where} | wc -l | tr -d ' '"
