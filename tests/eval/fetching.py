"""Releases from the package index: fetched by pip once, by their hashes, and unpacked."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.eval.outcome import DIRECTORY

LIST = Path(__file__).parent / "releases.txt"
_PIP = (sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps")
_PATIENCE = ("--retries", "1", "--timeout", "20")
_TIMEOUT_S = 300.0


class NotFetchedError(Exception):
    """A release cannot be had; the message says which, and pip's last words."""


def source(name: str, version: str) -> Path:
    """Return where a release of `releases.txt` is unpacked; it is fetched where it is not there yet.

    Raises:
        NotFetchedError: it is not to be had.
    """
    release = f"{name}=={version}"
    place = DIRECTORY / "releases" / f"{name}-{version}"
    if place.is_dir():
        return place
    line = next(line for line in LIST.read_text().splitlines() if line.startswith(f"{release} "))
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent) as scratch:
        downloads, unpacked = Path(scratch, "downloads"), Path(scratch, "unpacked")
        Path(scratch, "wanted.txt").write_text(f"{line}\n")
        options = ("--require-hashes", "--dest", str(downloads), "-r", str(Path(scratch, "wanted.txt")))
        try:
            ended = subprocess.run([*_PIP, *_PATIENCE, *options], capture_output=True, timeout=_TIMEOUT_S, check=False)
        except subprocess.TimeoutExpired:
            raise NotFetchedError(f"{release} was not fetched within {_TIMEOUT_S:.0f} s") from None
        if ended.returncode:
            said = ended.stderr.decode(errors="replace").strip().rpartition("\n")[2]
            raise NotFetchedError(f"{release} could not be fetched: {said}")
        unpack(next(downloads.iterdir()), unpacked)
        unpacked.rename(place)
    return place


def unpack(archive: Path, place: Path) -> None:
    """Write what a wheel holds to `place`; of a source distribution what stands in its one directory."""
    if archive.suffix == ".whl":
        shutil.unpack_archive(archive, place, "zip")
        return
    with tempfile.TemporaryDirectory(dir=place.parent) as scratch:
        shutil.unpack_archive(archive, scratch, filter="data")
        (top,) = Path(scratch).iterdir()
        top.rename(place)
