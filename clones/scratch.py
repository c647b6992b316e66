"""A directory for the time of a task."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

TIDY_S = 0.5
"""How long the end of a task waits for the removal of its files. A task that is handed back has better to do than to see
thousands of them go; what takes longer goes on beside it, and Python waits for it when the process ends."""


@asynccontextmanager
async def scratch_directory(prefix: str) -> AsyncIterator[Path]:
    """Yield a new directory, absolute and without symbolic links; it is removed afterwards, in a thread."""
    path = _make(prefix)
    try:
        yield path
    finally:
        removal = asyncio.get_running_loop().run_in_executor(None, partial(shutil.rmtree, path, ignore_errors=True))
        await asyncio.wait((removal,), timeout=TIDY_S)


def _make(prefix: str) -> Path:
    return Path(tempfile.mkdtemp(prefix=prefix)).resolve()
