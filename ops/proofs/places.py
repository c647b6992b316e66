"""Where a notary's files lie."""

from pathlib import Path

import msgspec


class Places(msgspec.Struct, frozen=True):
    """The files of the notary of one store."""

    leaves: Path
    """The hash of each entry that was taken into the tree (`ops.proofs.leaves`)."""
    checkpoints: Path
    """A directory with a file for each signed checkpoint."""
    public_key: Path
    """The verifier key; who audits keeps a copy elsewhere."""


def places(store: Path) -> Places:
    """Return where the files of the notary of the network on `store` lie."""
    directory = store / "notary"
    return Places(directory / "leaves", directory / "checkpoints", directory / "key.pub")
