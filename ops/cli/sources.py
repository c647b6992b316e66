"""The ledger as a command reads it: the stream, and what of it is archived."""

import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bus.errors import ConfigurationError, ConnectionFailed, SanctuaryError

if TYPE_CHECKING:
    from bus.network import Network
    from ops.archive.source import Source
    from ops.connect import Where

log = logging.getLogger(__name__)


def without_server(error: ConnectionFailed | ConfigurationError, directory: Path | None) -> SanctuaryError:
    """Return the error of a command that no server answered, which tells of the archive in `directory` where there is one."""
    if directory is None or not directory.is_dir():
        return error
    return type(error)(f"{error.message}; what is archived can be read without it: --archive {directory}")


@asynccontextmanager
async def open_ledger(where: "Where", archive: Path | None, name: str) -> AsyncIterator["Source"]:
    """Connect, for one command, and open the archive: the one in `archive`, or else the local network's.

    Where an archive is named and no server answers, the archive is read alone. What is missing between the two is warned of.

    Raises:
        SanctuaryError: the one or the other cannot be read, or they do not belong together.
    """
    from ops.archive.source import archive_directory, open_source
    from ops.audit import last_sequence

    async with AsyncExitStack() as stack:
        network: Network | None = None
        directory = archive_directory(where, archive)
        try:
            network = await stack.enter_async_context(where.open(name))
        except (ConnectionFailed, ConfigurationError) as error:
            if archive is None:
                raise without_server(error, directory) from None
            log.warning("%s; the archive %s is read alone", error.message, archive)
        if network is not None:
            await last_sequence(network)  # says in words what is wrong where there is no ledger
        source = await open_source(network, directory, where.realm)
        if source.missing is not None:
            log.warning(
                "the entries %d to %d are neither in the stream nor in the archive (--archive)", *source.missing
            )
        yield source
