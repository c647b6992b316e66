"""A pytest plugin that tells coverage which test runs, so that each line has the names of the tests that ran it.

Loaded with `-p sanctuary_contexts` in a process that `coverage run` has started; needs coverage 5.
"""

from __future__ import annotations

from collections.abc import Iterator

import coverage
import pytest


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Count what runs from a test's set-up to its tear-down as the test's."""
    measured = coverage.Coverage.current()
    if measured is None:
        yield
        return
    measured.switch_context(item.nodeid)
    yield
    measured.switch_context("")
