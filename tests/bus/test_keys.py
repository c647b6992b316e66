"""User seeds in files."""

import stat
from pathlib import Path

import nkeys
import pytest

from bus.errors import ConfigurationError
from bus.keys import ensure_user, new_seed, public_key, read_seed


def test_made_once_and_kept_for_the_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "beta.nk"
    public = ensure_user(path)
    seed = path.read_bytes()
    assert (ensure_user(path), path.read_bytes()) == (public, seed)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["beta.nk"]


def test_the_public_key_belongs_to_the_seed(tmp_path: Path) -> None:
    seed = new_seed()
    pair = nkeys.from_seed(bytearray(seed.encode()))
    assert public_key(seed, origin="test") == pair.public_key.decode()
    assert public_key(seed, origin="test").startswith("U")
    assert new_seed() != seed


@pytest.mark.parametrize(
    "damage",
    [
        lambda seed: "",
        lambda seed: seed[:-1],
        lambda seed: "SA" + seed[2:],
        lambda seed: seed[:20] + "A" + seed[21:] + "A",
        str.lower,
    ],
)
def test_a_damaged_seed_is_told_with_its_file(tmp_path: Path, damage: object) -> None:
    path = tmp_path / "beta.nk"
    assert callable(damage)
    path.write_text(damage(new_seed()))
    with pytest.raises(ConfigurationError, match=rf"nkey: {path} holds no user seed"):
        read_seed(path)


def test_one_changed_character_is_noticed() -> None:
    seed = new_seed()
    changed = seed[:30] + ("B" if seed[30] == "A" else "A") + seed[31:]
    with pytest.raises(ConfigurationError):
        public_key(changed, origin="test")


def test_a_missing_file_is_told() -> None:
    with pytest.raises(ConfigurationError, match=r"nkey: the nkey seed file /no/such cannot be read: No such file"):
        read_seed(Path("/no/such"))
