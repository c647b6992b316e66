"""Where tests have scratch directories made, which are to be gone at their end."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.bus.eventually import WITHIN_S


@contextmanager
def left_empty(directory: Path) -> Iterator[Path]:
    """Have `directory`, which is made, hold all temporary files; AssertionError where some are there at the end and stay.

    Some may be there for a while: who waits for a task does not wait for the removal of its files.
    """
    directory.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tempfile.tempdir", str(directory))
        yield directory
    deadline = time.monotonic() + WITHIN_S
    while left := list(directory.iterdir()):
        assert time.monotonic() < deadline, left
        time.sleep(0.01)
