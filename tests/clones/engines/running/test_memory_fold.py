"""Whose line an allocation counts for."""

from clones.engines.running.memory_fold import held_by_line
from clones.engines.running.profile_fold import Kind


def place(path: str) -> tuple[Kind, str]:
    kinds = {"app": Kind.TARGET, "test_app": Kind.TESTS}
    return kinds.get(path, Kind.STDLIB), f"{path}.py"


def test_memory_counts_for_the_innermost_line_of_the_target_then_of_its_tests() -> None:
    held = held_by_line(
        [
            (100, 2, [("json", 9), ("app", 3), ("app", 8), ("test_app", 1)]),
            (50, 1, [("app", 3), ("test_app", 2)]),
            (70, 1, [("json", 9), ("test_app", 2)]),
            (10, 1, [("<frozen importlib>", 5), ("json", 4)]),
            (500, 5, [("<frozen importlib>", 5)]),
            (900, 9, [("<frozen runpy>", 5), ("inside/profiler.py", 7)]),
        ],
        place,
        skip="profiler.py",
    )
    assert [(each.file, each.line, each.kind, each.bytes, each.blocks) for each in held] == [
        ("app.py", 3, Kind.TARGET, 150, 3),
        ("test_app.py", 2, Kind.TESTS, 70, 1),
        ("json.py", 4, Kind.STDLIB, 10, 1),
    ]
