import gzip
import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from clones.engines.contract import EngineError, EngineOutput
from clones.engines.unpack import UnpackParams, unpack

Member = tuple[tarfile.TarInfo, bytes]


def file(name: str, content: bytes = b"x", mode: int = 0o644) -> Member:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(content), mode
    return info, content


def special(name: str, kind: bytes, link: str = "") -> Member:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info, b""


@pytest.fixture
def tar(tmp_path: Path) -> Callable[..., Path]:
    def make(*members: Member) -> Path:
        with tarfile.open(tmp_path / "archive", "w:gz") as archive:
            for info, content in members:
                archive.addfile(info, io.BytesIO(content))
        return tmp_path / "archive"

    return make


@pytest.fixture
def zip_(tmp_path: Path) -> Callable[..., Path]:
    def make(*members: tuple[str, int, bytes]) -> Path:
        with zipfile.ZipFile(tmp_path / "archive", "w", zipfile.ZIP_DEFLATED) as archive:
            for name, mode, content in members:
                info = zipfile.ZipInfo(name)
                info.external_attr = mode << 16
                archive.writestr(info, content)
        return tmp_path / "archive"

    return make


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Two levels down, so that what escapes by `..` is seen."""
    out = tmp_path / "cage" / "out"
    out.mkdir(parents=True)
    return out


def go(archive: Path, out: Path, *, max_bytes: int = 10_000, max_files: int = 20) -> EngineOutput:
    return unpack(archive, UnpackParams(max_bytes=max_bytes, max_files=max_files), out, lambda *_: None)


def refused(archive: Path, out: Path, words: str, *, code: str = "target_refused", **limits: int) -> None:
    with pytest.raises(EngineError, match=words) as raised:
        go(archive, out, **limits)
    assert raised.value.code == code
    assert [path.name for path in out.parent.iterdir()] == ["out"], "nothing stands beside the output directory"


def test_files_directories_and_links_inside_arrive(tar: Callable[..., Path], out: Path) -> None:
    archive = tar(
        special("p", tarfile.DIRTYPE),
        file("p/run.sh", b"#!", 0o4755),
        file("p/a/deep.txt", b"deep"),
        special("p/link", tarfile.SYMTYPE, "a/deep.txt"),
        special("p/a/up", tarfile.SYMTYPE, "../run.sh"),
        special("p/hard", tarfile.LNKTYPE, "p/a/deep.txt"),
        special("p/dangling", tarfile.SYMTYPE, "nothing"),
    )
    output = go(archive, out)
    assert output.data == {"root": "p", "files": 7, "bytes": 10}
    assert (out / "p/link").read_text() == (out / "p/hard").read_text() == "deep"
    assert (out / "p/a/up").read_text() == "#!"
    assert stat.S_IMODE((out / "p/run.sh").stat().st_mode) == 0o755, "executable, but not set-user-id"
    assert stat.S_IMODE((out / "p/a/deep.txt").stat().st_mode) == 0o644
    assert [left.subject for left in output.not_analysed] == ["p/dangling"]
    assert not (out / "p/dangling").is_symlink()


def test_only_a_single_top_folder_is_stripped(tar: Callable[..., Path], out: Path) -> None:
    assert go(tar(file("src/a.py"), file("README")), out).data["root"] == "."


def test_a_single_top_file_is_not_a_folder(tar: Callable[..., Path], out: Path) -> None:
    assert go(tar(file("a.py")), out).data["root"] == "."


def test_git_directories_stay_out_since_their_configuration_starts_programs(
    tar: Callable[..., Path], out: Path
) -> None:
    archive = tar(
        special("p/.git", tarfile.DIRTYPE), file("p/.git/config"), file("p/sub/.GIT/config"), file("p/.gitignore")
    )
    output = go(archive, out)
    assert sorted(path.name for path in (out / "p").iterdir()) == [".gitignore"]
    assert [left.subject for left in output.not_analysed] == ["p/.git"]


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ([file("/etc/escape")], "leads outside"),
        ([file("../escape")], "leads outside"),
        ([file("p/../../escape")], "leads outside"),
        ([special("../escape", tarfile.DIRTYPE)], "leads outside"),
        ([special("l", tarfile.SYMTYPE, "/etc/passwd")], "leads outside"),
        ([special("l", tarfile.SYMTYPE, "../..")], "leads outside"),
        ([special("a", tarfile.SYMTYPE, "."), special("a2", tarfile.SYMTYPE, "a/../..")], "leads outside"),
        (
            [
                special("d/e", tarfile.DIRTYPE),
                special("d/up", tarfile.SYMTYPE, ".."),
                special("l", tarfile.SYMTYPE, "d/up/../up"),
                special("m", tarfile.SYMTYPE, "d/e/../up/../x"),
                special("x", tarfile.SYMTYPE, "d/up/.."),
            ],
            "leads outside",
        ),
        ([special("l", tarfile.SYMTYPE, ".."), file("l/escape")], "leads outside"),
        ([special("l", tarfile.SYMTYPE, "d"), file("l/written"), file("d/x")], "contradicts another entry"),
        ([special("h", tarfile.LNKTYPE, "/etc/passwd")], "leads outside"),
        ([special("h", tarfile.LNKTYPE, "../../archive")], "leads outside"),
        ([special("h", tarfile.LNKTYPE, "missing")], "contradicts another entry"),
        (
            [special("s", tarfile.SYMTYPE, "/etc"), special("h", tarfile.LNKTYPE, "s/passwd")],
            "contradicts another entry",
        ),
        ([special("dev", tarfile.CHRTYPE)], "is a device"),
        ([special("dev", tarfile.BLKTYPE)], "is a device"),
        ([special("pipe", tarfile.FIFOTYPE)], "is a device"),
        ([file("a"), file("a/b")], "contradicts another entry"),
        ([file("n" * 300)], "no possible name"),
    ],
)
def test_a_tar_that_leads_outside_is_refused(
    tar: Callable[..., Path], out: Path, members: list[Member], words: str
) -> None:
    refused(tar(*members), out, words)


LINK = stat.S_IFLNK | 0o777


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ([("../escape", 0, b"x")], "leads outside"),
        ([("/etc/escape", 0, b"x")], "leads outside"),
        ([("p/../../escape", 0o644, b"x")], "leads outside"),
        ([("l", LINK, b"/etc/passwd")], "leads outside"),
        ([("l", LINK, b".."), ("l/escape", 0, b"x")], "leads outside"),
        ([("pipe", stat.S_IFIFO | 0o644, b"")], "is a device"),
    ],
)
def test_a_zip_that_leads_outside_is_refused(
    zip_: Callable[..., Path], out: Path, members: list[tuple[str, int, bytes]], words: str
) -> None:
    refused(zip_(*members), out, words)


def test_a_zip_arrives_with_links_and_modes(zip_: Callable[..., Path], out: Path) -> None:
    regular = stat.S_IFREG
    archive = zip_(("p/", 0, b""), ("p/a", regular | 0o755, b"1"), ("p/b", 0, b"2"), ("p/l", LINK, b"a"))
    assert go(archive, out).data == {"root": "p", "files": 4, "bytes": 2}
    assert os.access(out / "p/a", os.X_OK)
    assert (out / "p/l").read_text() == "1"


def test_the_size_limit_counts_what_comes_out(tar: Callable[..., Path], out: Path) -> None:
    archive = tar(file("zeros", bytes(100_000)))
    assert archive.stat().st_size < 1000
    refused(archive, out, "more than 10000 bytes")


def test_a_zip_that_lies_about_its_sizes_is_bounded_too(zip_: Callable[..., Path], out: Path) -> None:
    archive = zip_(("zeros", 0, bytes(100_000)))
    data = archive.read_bytes()
    archive.write_bytes(data.replace((100_000).to_bytes(4, "little"), (10).to_bytes(4, "little")))
    with pytest.raises(EngineError) as raised:
        go(archive, out, max_bytes=100)
    assert raised.value.code in ("target_refused", "target_unavailable")
    assert (out / "zeros").stat().st_size <= 100


def test_the_number_of_entries_is_limited(tar: Callable[..., Path], out: Path) -> None:
    refused(tar(*(special(f"d{n}", tarfile.DIRTYPE) for n in range(21))), out, "more than 20 entries")


def test_what_is_no_archive_is_refused(tmp_path: Path, out: Path) -> None:
    (tmp_path / "archive").write_bytes(b"BZh91AY&SY")
    refused(tmp_path / "archive", out, r"neither a .tar.gz nor a .zip")


@pytest.mark.parametrize("damage", ["cut", "flipped", "no tar", "cut zip"])
def test_a_damaged_archive_is_told(tar: Callable[..., Path], zip_: Callable[..., Path], out: Path, damage: str) -> None:
    archive = zip_(("a", 0, bytes(range(256)))) if "zip" in damage else tar(file("a", os.urandom(5000)))
    data = bytearray(archive.read_bytes())
    match damage:
        case "flipped":
            data[len(data) // 2] ^= 0xFF
        case "no tar":
            data = bytearray(gzip.compress(b"plain text" * 100))
        case _:
            del data[-30:]
    archive.write_bytes(data)
    refused(archive, out, "cannot be read", code="target_unavailable")
