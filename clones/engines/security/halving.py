"""One file that brings a scanner down must not hide what is in the others."""

from collections.abc import Callable, Sequence
from typing import TypeVar

Answer = TypeVar("Answer")


def run_halving(files: Sequence[str], run: Callable[[Sequence[str]], Answer | None]) -> tuple[list[Answer], list[str]]:
    """Call `run` with all files, and where it gives no answer with each half of them, down to single files.

    Returns the answers, and the files on which alone there is none.
    """
    if not files:
        return [], []
    answer = run(files)
    if answer is not None:
        return [answer], []
    if len(files) == 1:
        return [], [*files]
    middle = len(files) // 2
    first, second = run_halving(files[:middle], run), run_halving(files[middle:], run)
    return first[0] + second[0], first[1] + second[1]
