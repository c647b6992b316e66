"""Where a notary reads what it takes in: the ledger, and the archive for what was purged before."""

from pathlib import Path

from bus.errors import SanctuaryError
from bus.network import Network
from ops.archive.directory import Archive
from ops.archive.source import Source, open_source


class CannotSign(SanctuaryError):
    """Nothing more can be signed until somebody does something: the message says why, and what to do."""


async def source_from(start: int, first: int, network: Network, directory: Path | None, *, is_new: bool) -> Source:
    """Return where the entries from `start` on are read: in the ledger alone, unless it begins, with `first`, behind that.

    `is_new`: the log begins with them. What is in neither the ledger nor the archive in `directory` is a gap to one that goes on.

    Raises:
        CannotSign: a new log would have such a gap.
        SanctuaryError: ledger or archive cannot be read, or they do not belong together.
    """
    if first <= start:
        return Source(network, Archive(None, network.subjects.realm, (), ()))
    source = await open_source(network, directory, network.subjects.realm)
    if source.missing is not None and is_new:
        archived = (
            "no archive is named"
            if directory is None
            else f"{directory} has nothing of it from #{source.missing[0]} on"
        )
        raise CannotSign(
            f"no new log can begin: the ledger {network.subjects.ledger} holds nothing before #{first} any more, and {archived}. A log "
            "that says there never was anything would contradict every other one: name the archive (--archive, SANCTUARY_ARCHIVE), or "
            "put the notary's former key and directory back. Where there is no archive, `sanctuary audit archive` makes one of what is left"
        )
    return source
