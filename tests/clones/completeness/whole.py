"""The check of the ledger as it is now, all of it."""

from datetime import UTC, datetime

from bus.ledger import entries
from bus.network import Network
from bus.routes import in_force
from clones.completeness.books import Books
from clones.completeness.findings import Finding
from clones.completeness.looking import Looking
from clones.completeness.reading import Present, lost
from schemas import RoutingTable


async def findings(network: Network, table: RoutingTable | None = None) -> list[Finding]:
    """Return what does not fit; `table` is in force where the network itself says nothing of one."""
    revision = await in_force(network)
    books = Books(network.subjects, table if revision is None else revision.routes.table)
    looking, found = Looking(network.subjects, Present(network)), list[Finding]()
    async for message in entries(network, ">"):
        books.take(message)
        if message.sequence % 500 == 0:
            found += await looking.clear(books)
    return found + await looking.clear(books) + await lost(network, books, datetime.now(UTC))
