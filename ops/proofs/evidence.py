"""What a ledger is verified with: keys, checkpoints, leaves, and who the signers of results are. Read from files."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from bus.errors import ConfigurationError
from bus.keys import public_key, read_seed
from ops.connect import Where
from ops.proofs.claims import Claim, FoundClaims, Keys, make_keys, read_claims, read_key
from ops.proofs.notes import Kind
from ops.proofs.places import Places, places
from ops.proofs.problems import Problem
from ops.proofs.signers import public_bytes


class Named(msgspec.Struct, frozen=True):
    """What the user named of it."""

    keys: Sequence[str] = ()
    """Verifier keys, or files of them."""
    checkpoints: Sequence[Path] = ()
    """Files, or directories of them."""
    leaves: Path | None = None
    users: Path | None = None


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What there is."""

    keys: Keys
    own_key: Path | None
    """The file in the store itself that the log's key was taken from: whoever rewrites the store can change it too."""
    claims: tuple[Claim | Problem, ...]
    """The checkpoints that were named, or else the local notary's."""
    beside: tuple[Claim | Problem, ...]
    """The local notary's where others were named: they may tell of more."""
    others: frozenset[tuple[str, int]]
    """Checkpoints of logs whose keys are not given: the log's name and the tree's size."""
    leaves: Path | None
    users: dict[str, str]
    """Names by public nkey."""


def local_places(where: Where) -> Places | None:
    """Return where the notary's files lie where the local network is meant; None: a server elsewhere is.

    Raises:
        ConfigurationError: as of `Where.named`.
    """
    return places(where.store) if where.store_named or where.named() is None else None


def gather_keys(where: Where, named: Sequence[str]) -> tuple[Keys, Path | None]:
    """Return the keys that were named, verifier keys or files of them; the log's is that of the local network where none is named.

    Beside them the file in the store that the log's key is from; None: it was named.

    Raises:
        ConfigurationError: there is no key of the log, or one is no key.
    """
    given = [read_key(each) for each in named]
    if any(key.kind is Kind.NOTE for key in given):
        return make_keys(given), None
    local = local_places(where)
    if local is None or not local.public_key.is_file():
        raise ConfigurationError(
            "no key of the log to verify with: name its verifier key, or the file that holds it, with --key; the notary of a network "
            f"writes it to {places(where.store).public_key if local is None else local.public_key}"
        )
    return make_keys([read_key(str(local.public_key)), *given]), local.public_key


def gather(where: Where, named: Named) -> Evidence:
    """Return what was named, and of the local network what was not.

    Raises:
        ConfigurationError: there is no key, or a file cannot be used.
        OSError: a file cannot be read.
    """
    local = local_places(where)
    keys, own_key = gather_keys(where, named.keys)
    found = [_named_claims(path, keys) for path in named.checkpoints]
    own = (
        read_claims(local.checkpoints, keys)
        if local is not None and local.checkpoints.is_dir()
        else FoundClaims([], [])
    )
    claims = [claim for each in found for claim in each.claims]
    leaves = named.leaves
    if leaves is None and local is not None and local.leaves.is_file() and _is_of(local, keys):
        leaves = local.leaves
    stored = stored_users(where.store) if local is not None else {}
    return Evidence(
        keys=keys,
        own_key=own_key,
        claims=tuple(claims if found else own.claims),
        beside=tuple(own.claims if found else ()),
        others=frozenset((other.origin, other.size) for each in (*found, own) for other in each.others),
        leaves=leaves,
        users=read_users(named.users) if named.users is not None else stored,
    )


def _is_of(local: Places, keys: Keys) -> bool:
    """Tell whether the local notary's log may be one that is verified: somebody else's archive is none of its business."""
    try:
        return read_key(str(local.public_key)) in keys.logs
    except ConfigurationError:
        return not local.public_key.exists()


def _named_claims(path: Path, keys: Keys) -> FoundClaims:
    found = read_claims(path, keys, is_named=True)
    if not found.claims:
        logs = " or ".join(key.name for key in keys.logs)
        theirs = ", ".join(sorted({other.origin for other in found.others}))
        why = (
            f"{path} has no checkpoint of this log: the key is of {logs}, and what is there ({len(found.others)}) of {theirs}. Name "
            "the key of that log (--key)"
        )
        raise ConfigurationError(why if found.others else f"there is no checkpoint in {path} (--checkpoint)")
    return found


def read_users(path: Path) -> dict[str, str]:
    """Return the users' names by their public nkeys, as a file says them: a line each, `U… beta`.

    Raises:
        ConfigurationError: a line says something else.
        OSError: it cannot be read.
    """
    users = {}
    for number, line in enumerate(path.read_bytes().decode("utf-8", "replace").splitlines(), start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) != 2 or public_bytes(words[0]) is None:
            raise ConfigurationError(f"{path}, line {number}: write a public nkey, U…, and a name")
        users[words[0]] = words[1]
    return users


def stored_users(store: Path) -> dict[str, str]:
    """Return the users of a network on this machine, by the public halves of their nkeys."""
    users = {}
    for path in sorted((store / "keys").glob("*.nk")):
        try:
            users[public_key(read_seed(path), origin=str(path))] = path.stem
        except ConfigurationError:
            continue  # of another user of this machine, or damaged: the server says so, not the audit
    return users
