"""Archives that unfold without end are refused; a test that removes what is above it removes a copy; one that forks is ended."""

import io
import sys
import tarfile
import zipfile
from pathlib import Path

import msgspec
import pytest

from clones.engines.contract import EngineError
from clones.params import CodeMapParams
from clones.params import TestingParams as Params
from clones.sandbox import Limits, run_engine
from clones.targets import TargetPolicy, checkout

DEEP = 40
MAX_BYTES = 5_000_000


def _zip_bomb(archive: Path) -> None:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as bomb:
        for number in range(20):
            bomb.writestr(f"project/zeros{number}", bytes(1_000_000))


def _link_bomb(archive: Path) -> None:
    """Directories that hold links to their only directory: whoever follows them comes to 3 ** DEEP files."""
    with tarfile.open(archive, "w:gz") as bomb:
        place = "project"
        for _ in range(DEEP):
            for link in ("a", "b"):
                entry = tarfile.TarInfo(f"{place}/{link}")
                entry.type, entry.linkname = tarfile.SYMTYPE, "d"
                bomb.addfile(entry)
            place += "/d"
        entry = tarfile.TarInfo(f"{place}/m.py")
        code = b"def f():\n    return 1\n"
        entry.size = len(code)
        bomb.addfile(entry, io.BytesIO(code))


def _policy(tmp_path: Path, archive: Path) -> TargetPolicy:
    async def fetch(_name: str) -> Path:
        return archive

    return TargetPolicy(workspace=tmp_path, fetch_artifact=fetch, max_bytes=MAX_BYTES)


async def test_an_archive_that_unpacks_to_too_much_is_refused_in_words(tmp_path: Path) -> None:
    archive = tmp_path / "bomb.zip"
    _zip_bomb(archive)
    with pytest.raises(EngineError, match=f"more than {MAX_BYTES} bytes") as refused:
        async with checkout("artifact:bomb", _policy(tmp_path, archive)):
            pass
    assert refused.value.code == "target_refused"


async def test_links_that_double_with_each_level_are_not_followed(tmp_path: Path) -> None:
    archive, out = tmp_path / "bomb.tar.gz", tmp_path / "out"
    _link_bomb(archive)
    out.mkdir()
    async with checkout("artifact:bomb", _policy(tmp_path, archive)) as source:
        output = await run_engine(
            engine="clones.engines.code_map:analyse",
            target=source.path,
            params=CodeMapParams(target="artifact:bomb"),
            out=out,
            limits=Limits(timeout_s=60),
            on_progress=lambda _fraction, _message: None,
        )
    assert "1 module" in output.summary


async def test_a_test_that_removes_what_is_above_it_is_told_and_the_target_stays(tmp_path: Path) -> None:
    target, out = tmp_path / "target", tmp_path / "out"
    (target / "tests").mkdir(parents=True)
    out.mkdir()
    code = "import shutil\nfrom pathlib import Path\n\n\n"
    code += "def test_it():\n    shutil.rmtree(Path(__file__).parents[1])\n    assert not Path(__file__).exists()\n"
    (target / "tests/test_it.py").write_text(code)
    output = await run_engine(
        engine="clones.engines.testing:analyse",
        target=target,
        params=Params(target=str(target), budget_s=60),
        out=out,
        limits=Limits(timeout_s=90),
        on_progress=lambda _fraction, _message: None,
    )
    assert (target / "tests/test_it.py").read_text() == code
    assert output.summary
    assert msgspec.json.encode(output.data)


FORKS = """
import os, time

def test_it():
    for _ in range(80):
        if os.fork() == 0:
            os.setsid()
            time.sleep(600)
    time.sleep(600)
"""
FILLS = """
import os, tempfile, time

def test_it():
    for _ in range(256):
        number, _ = tempfile.mkstemp()
        os.write(number, os.urandom(64 * 1024))
        os.close(number)
    time.sleep(600)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="processes are counted in /proc")
@pytest.mark.parametrize(
    ("code", "limits", "words"),
    [
        (FORKS, Limits(timeout_s=100, processes=60), "more than 60 processes"),
        (FILLS, Limits(timeout_s=100, disk_bytes=8 * 1024**2), "filled more than 8 MiB"),
    ],
)
async def test_a_test_that_takes_the_machine_is_ended_with_all_that_it_started(
    code: str, limits: Limits, words: str, tmp_path: Path
) -> None:
    target, out = tmp_path / "target", tmp_path / "out"
    (target / "tests").mkdir(parents=True)
    out.mkdir()
    (target / "tests/test_it.py").write_text(code)
    with pytest.raises(EngineError, match=words) as ended:
        await run_engine(
            engine="clones.engines.testing:analyse",
            target=target,
            params=Params(target=str(target), budget_s=90),
            out=out,
            limits=limits,
            on_progress=lambda _fraction, _message: None,
        )
    assert ended.value.code == "engine_failed"
