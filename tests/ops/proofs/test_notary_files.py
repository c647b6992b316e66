"""What a notary finds in its directory, whatever a crash or somebody else left there."""

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bus.errors import ConfigurationError
from bus.merkle import EMPTY_ROOT, root_of
from ops.proofs import notary_files
from ops.proofs.checkpoint import parse_checkpoint, verify
from ops.proofs.notary_files import NotaryFiles
from ops.proofs.notes import SigningKey, parse_key

LEAVES = [bytes([number]) * 32 for number in range(40)]


@contextmanager
def opened(path: Path) -> Iterator[NotaryFiles]:
    files = NotaryFiles(path / "notary", path, "lab")
    files.open()
    try:
        yield files
    finally:
        files.close()


def write(path: Path, *, signed: int, unsigned: int = 0) -> None:
    with opened(path) as files:
        files.append(LEAVES[:signed])
        files.sign()
        files.append(LEAVES[signed : signed + unsigned])


def test_a_key_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    with opened(tmp_path) as files:
        public = files.public
    key = tmp_path / "keys" / "notary.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert public.name.startswith("sanctuary/lab/")
    assert parse_key((tmp_path / "notary" / "key.pub").read_text()) == public
    with opened(tmp_path) as files:
        assert files.public == public
        assert (files.signed, files.tree.root()) == (None, EMPTY_ROOT)


def test_what_was_signed_is_there_again(tmp_path: Path) -> None:
    write(tmp_path, signed=7)
    with opened(tmp_path) as files:
        assert files.signed is not None
        assert (files.signed_size, files.signed.checkpoint.root) == (7, root_of(LEAVES[:7]))
        assert (files.tree.size, files.leaf(7)) == (7, LEAVES[6])
        files.append(LEAVES[7:9])
        assert files.sign().checkpoint.root == root_of(LEAVES[:9])


def test_checkpoints_are_files_that_verify(tmp_path: Path) -> None:
    write(tmp_path, signed=7)
    (path,) = (tmp_path / "notary" / "checkpoints").iterdir()
    assert path.name == "00000000000000000007"
    signed = parse_checkpoint(path.read_bytes())
    verify(signed, parse_key((tmp_path / "notary" / "key.pub").read_text()))
    assert signed.checkpoint.size == 7


def test_the_newest_checkpoints_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notary_files, "KEPT_CHECKPOINTS", 3)
    with opened(tmp_path) as files:
        for leaf in LEAVES[:10]:
            files.append([leaf])
            files.sign()
    assert sorted(int(path.name) for path in (tmp_path / "notary" / "checkpoints").iterdir()) == [8, 9, 10]


@pytest.mark.parametrize("cut", [0, 1, 31, 32, 33])
def test_leaves_that_were_not_signed_are_cut_off_torn_or_whole(tmp_path: Path, cut: int) -> None:
    write(tmp_path, signed=7, unsigned=2)
    leaves = tmp_path / "notary" / "leaves"
    leaves.write_bytes(leaves.read_bytes()[: 9 * 32 - cut])
    with opened(tmp_path) as files:
        assert (files.tree.size, files.tree.root()) == (7, root_of(LEAVES[:7]))
        assert leaves.stat().st_size == 7 * 32


def test_cutting_back_forgets_what_is_not_signed(tmp_path: Path) -> None:
    with opened(tmp_path) as files:
        files.append(LEAVES[:3])
        files.sign()
        files.append(LEAVES[3:8])
        files.cut_back()
        assert files.tree.root() == root_of(LEAVES[:3])
        files.append(LEAVES[20:22])
        assert files.sign().checkpoint.root == root_of([*LEAVES[:3], *LEAVES[20:22]])


@pytest.mark.parametrize("damage", ["gone", "short", "other"])
def test_leaves_that_are_not_those_that_were_signed_are_to_be_read_again(tmp_path: Path, damage: str) -> None:
    write(tmp_path, signed=7)
    leaves = tmp_path / "notary" / "leaves"
    match damage:
        case "gone":
            leaves.unlink()
        case "short":
            leaves.write_bytes(leaves.read_bytes()[:100])
        case _:
            leaves.write_bytes(b"\xff" + leaves.read_bytes()[1:])
    with opened(tmp_path) as files:
        assert (files.tree.size, files.signed_size) == (0, 7)


def test_one_notary_works_in_a_directory(tmp_path: Path) -> None:
    with opened(tmp_path), pytest.raises(ConfigurationError, match="another notary"), opened(tmp_path):
        pass
    with opened(tmp_path):
        pass


def test_a_key_that_is_gone_is_not_replaced_where_something_was_signed(tmp_path: Path) -> None:
    write(tmp_path, signed=1)
    (tmp_path / "keys" / "notary.key").unlink()
    with pytest.raises(ConfigurationError, match="put the key back"), opened(tmp_path):
        pass


@pytest.mark.parametrize("text", ["", "nothing", "\xff", "PRIVATE+KEY+a+00000000+AAAA"])
def test_a_key_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "notary.key").write_text(text, encoding="latin-1")
    with pytest.raises(ConfigurationError, match="cannot be used"), opened(tmp_path):
        pass


def test_a_checkpoint_of_another_key_is_refused(tmp_path: Path) -> None:
    write(tmp_path, signed=1)
    (tmp_path / "keys" / "notary.key").write_text(SigningKey.new("other").text)
    with pytest.raises(ConfigurationError, match="cannot be believed"), opened(tmp_path):
        pass


def test_a_checkpoint_that_was_altered_is_refused(tmp_path: Path) -> None:
    write(tmp_path, signed=7)
    (path,) = (tmp_path / "notary" / "checkpoints").iterdir()
    path.write_text(path.read_text().replace("\n7\n", "\n8\n"))
    with pytest.raises(ConfigurationError, match="cannot be believed"), opened(tmp_path):
        pass
