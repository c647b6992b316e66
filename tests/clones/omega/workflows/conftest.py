"""Runs of the tests sleep when a test wants them to."""

import pytest

from clones.omega.workflows import driver


@pytest.fixture(autouse=True)
def wakeful(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that waits for tasks stays awake, however long they take on a busy machine."""
    monkeypatch.setattr(driver, "TASKS_SILENT_S", 600.0)
