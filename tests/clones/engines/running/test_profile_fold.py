"""What samples amount to."""

from typing import Any

import pytest

from clones.engines.running.flame_svg import flame_svg
from clones.engines.running.profile_fold import Kind, Node, Stack, flame_tree, hot_functions, stacks_of, thinned

RUNNER = "runner\0/x/sanctuary_profiler.py\x001"
MAIN = "main\0app.py\x0010"
WORK = "work\0app.py\x0020\x01cWorker"
LIB = [f"f{number}\0lib.py\x00{number}" for number in range(1, 6)]


def session(*records: tuple[list[str], float]) -> dict[str, Any]:
    return {"frame_records": [[stack, seconds] for stack, seconds in records], "duration": 1.0}


def read(*records: tuple[list[str], float]) -> list[Stack]:
    def place_of(path: str) -> tuple[Kind, str]:
        return (Kind.TARGET if path == "app.py" else Kind.THIRD_PARTY), path

    return stacks_of(session(*records), place_of, skip="sanctuary_profiler.py")


def test_time_goes_to_the_innermost_function_that_has_a_file() -> None:
    stacks = read(
        ([RUNNER, MAIN, WORK], 1.0),
        ([RUNNER, MAIN, WORK, "sleep\0<built-in>\x000"], 2.0),
        ([RUNNER, MAIN, WORK, WORK], 4.0),
        ([RUNNER, MAIN, LIB[0]], 8.0),
    )
    hot = {item.frame.function: item for item in hot_functions(stacks)}
    assert list(hot) == ["Worker.work", "main", "f1"], "the target's code first"
    work = hot["Worker.work"]
    assert (work.self_s, work.total_s) == (7.0, 7.0)
    assert (hot["main"].self_s, hot["main"].total_s) == (0.0, 15.0)


def test_other_code_is_cut_to_its_first_and_last_call() -> None:
    root = flame_tree(read(([RUNNER, *LIB, MAIN, *LIB[:2]], 3.0)))
    path: list[tuple[str, int]] = []
    node: Node = root
    while node.children:
        node = next(iter(node.children.values()))
        assert node.frame is not None
        path.append((node.frame.function, node.hidden))
    assert path == [("f1", 0), ("f5", 3), ("main", 0), ("f1", 0), ("f2", 0)]
    assert root.seconds == 3.0


def test_what_is_too_short_is_left_out_and_its_time_stays_with_the_caller() -> None:
    full = session(([MAIN, WORK], 0.5), ([MAIN, LIB[0], LIB[1]], 0.001), ([MAIN, LIB[0], LIB[2]], 0.002), ([MAIN], 0.5))
    found = thinned(full, least_share=0.01)
    assert {tuple(stack): pytest.approx(seconds) for stack, seconds in found["frame_records"]} == {
        (MAIN, WORK): 0.5,
        (MAIN,): 0.503,
    }
    assert found["duration"] == 1.0


def test_a_picture_of_nothing() -> None:
    assert flame_svg(flame_tree([]), title="x", shown="nothing").startswith("<svg")
