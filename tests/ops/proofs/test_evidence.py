"""Where keys, checkpoints and names are taken from, and what is said where they are not there."""

from pathlib import Path

import pytest

from bus.errors import ConfigurationError
from bus.keys import ensure_user
from ops.connect import Where
from ops.proofs.checkpoint import Checkpoint, sign
from ops.proofs.claims import Claim, read_claims, read_key
from ops.proofs.evidence import Named, gather, gather_keys, read_users, stored_users
from ops.proofs.notes import SigningKey
from ops.proofs.places import places
from ops.proofs.problems import Problem
from tests.ops.proofs.ledgers import KEYS, LOG, WITNESS, leaves_file, records, signed


def local(store: Path) -> Where:
    return Where(None, None, store, "lab", store_named=True)


def elsewhere(store: Path) -> Where:
    return Where("nats://example.org", None, store, "lab")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store with a notary's files."""
    there = places(tmp_path)
    there.checkpoints.mkdir(parents=True)
    there.public_key.write_text(f"{LOG.public}\n")
    (there.checkpoints / "9").write_bytes(signed(records(9), 9))
    (there.checkpoints / ".10.partial").write_bytes(b"half")
    leaves_file(there.leaves, records(9), 9)
    return tmp_path


def test_of_the_local_network_everything_is_found(store: Path) -> None:
    found = gather(local(store), Named())
    assert (found.keys.logs, found.own_key) == ((LOG.public,), places(store).public_key)
    assert [each.checkpoint.size for each in found.claims if not isinstance(each, Problem)] == [9]
    assert found.leaves == places(store).leaves


def test_of_a_network_elsewhere_only_what_is_named_counts(store: Path) -> None:
    with pytest.raises(ConfigurationError, match="no key of the log"):
        gather(elsewhere(store), Named())
    found = gather(elsewhere(store), Named(keys=[str(LOG.public)]))
    assert (found.own_key, found.claims, found.leaves, found.users) == (None, (), None, {})


def test_what_is_named_comes_before_the_local_network_s(store: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_bytes(signed(records(9), 4))
    found = gather(local(store), Named(keys=[str(LOG.public)], checkpoints=[kept]))
    assert [(each.checkpoint.size, each.is_named) for each in found.claims if isinstance(each, Claim)] == [(4, True)]
    assert [(each.checkpoint.size, each.is_named) for each in found.beside if isinstance(each, Claim)] == [(9, False)]
    assert found.own_key is None


def test_named_checkpoints_of_another_log_alone_are_a_mistake(store: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    with pytest.raises(ConfigurationError, match=r"there is no checkpoint in .*kept"):
        gather(local(store), Named(checkpoints=[kept]))
    stranger = SigningKey.new("example.org/other")
    for size in (3, 5):
        theirs = sign(Checkpoint(stranger.public.name, size, bytes(32)), stranger)
        (kept / str(size)).write_text(str(theirs))
    with pytest.raises(
        ConfigurationError,
        match=r"no checkpoint of this log: the key is of example.org/lab, .*\(2\) of example.org/other",
    ):
        gather(local(store), Named(checkpoints=[kept]))
    (kept / "9").write_bytes(signed(records(9), 9))
    found = gather(local(store), Named(checkpoints=[kept]))
    assert found.others == {("example.org/other", 3), ("example.org/other", 5)}
    assert len(found.claims) == 1


def test_of_the_local_network_those_of_other_logs_are_no_problem(store: Path) -> None:
    found = gather(local(store), Named(keys=[str(SigningKey.new("example.org/other").public)]))
    assert not found.claims
    assert found.others == {("example.org/lab", 9)}
    # Its leaves are of that other log, and say nothing of this one.
    assert found.leaves is None
    places(store).public_key.unlink()
    assert gather(local(store), Named(keys=[str(LOG.public)])).leaves == places(store).leaves


def test_a_witness_s_key_goes_with_the_log_s_own(store: Path) -> None:
    keys, own = gather_keys(local(store), [str(WITNESS.public)])
    assert (keys.logs, keys.witnesses, own) == ((LOG.public,), (WITNESS.public,), places(store).public_key)
    with pytest.raises(ConfigurationError, match="no key of the log"):
        gather_keys(elsewhere(store), [str(WITNESS.public)])


def test_a_key_is_itself_or_in_a_file(store: Path) -> None:
    assert read_key(str(LOG.public)) == read_key(str(places(store).public_key)) == LOG.public
    for wrong in (store / "none", store, places(store).leaves):
        with pytest.raises(ConfigurationError, match="neither a verifier key nor a file"):
            read_key(str(wrong))


def test_a_file_that_holds_no_checkpoint_is_named(tmp_path: Path) -> None:
    (tmp_path / "README").write_text("nothing of the kind")
    (problem,) = read_claims(tmp_path, KEYS).claims
    assert isinstance(problem, Problem)
    assert str(tmp_path / "README") in problem.message


def test_users_are_named_by_a_file_or_by_the_store(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    public = ensure_user(tmp_path / "keys" / "beta.nk")
    (tmp_path / "keys" / "damaged.nk").write_text("no seed")
    assert stored_users(tmp_path) == {public: "beta"}
    users = tmp_path / "users"
    users.write_text(f"# who is who\n\n{public} beta of the lab\n")
    with pytest.raises(ConfigurationError, match="line 3"):
        read_users(users)
    users.write_text(f"# who is who\n\n{public} beta\n")
    assert read_users(users) == {public: "beta"}
    users.write_text(f"{public[:-1]} beta\n")
    with pytest.raises(ConfigurationError, match="line 1"):
        read_users(users)
