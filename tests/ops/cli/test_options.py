"""How errors end a command."""

import os
from pathlib import Path

import pytest

from ops.cli.options import run

FULL = Path("/dev/full")


@pytest.mark.skipif(not FULL.exists(), reason="the system has no device that is always full")
def test_a_full_disk_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    async def work() -> None:
        descriptor = os.open(FULL, os.O_WRONLY)
        try:
            os.write(descriptor, b"what does not fit")
        finally:
            os.close(descriptor)

    with pytest.raises(SystemExit) as ended:
        run(work())
    assert ended.value.code == 1
    assert capsys.readouterr().err == "sanctuary: a file could not be written: No space left on device\n"
