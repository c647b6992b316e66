"""A clone of one's own whose tasks have effects, for the workflow in order.toml. Run it here with `sanctuary clone shop:Shop`."""

import sqlite3

import msgspec

from bus.task import Done, Task, TaskError
from clones.base import Clone, serves
from schemas import Route

SHELF = {"cup": 1, "tea": 100}
LIMIT = 1000.0
"""What a card is good for."""


class Goods(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is taken from the shelf, put back, or sent."""

    goods: str
    to: str = ""


class Payment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who pays how much."""

    customer: str
    amount: float


class Shop(Clone):
    """Keeps its books in shop.db, a line for each effect."""

    name = "shop"
    routes = {
        each: Route(clone="shop", timeout_s=10, retries=3)
        for each in ("reserve", "release", "charge", "invoice", "ship")
    }

    async def start(self) -> None:
        """Open the books."""
        self.books = sqlite3.connect("shop.db", isolation_level=None)
        self.books.execute("CREATE TABLE IF NOT EXISTS entries (task PRIMARY KEY, what, count, words)")

    async def stop(self) -> None:
        """Close them."""
        self.books.close()

    def note(self, task: Task, what: str, count: int, words: str) -> Done:
        """Enter an effect under its task's id: a task that is run again enters nothing more."""
        self.books.execute("INSERT OR IGNORE INTO entries VALUES (?, ?, ?, ?)", (task.id, what, count, words))
        return Done(summary=words, output={"words": words})

    @serves("reserve")
    async def reserve(self, task: Task, params: Goods) -> Done:
        """Take one off the shelf, unless it is empty."""
        words = f"a {params.goods} is put aside"
        # One statement, so that two tasks at once do not both take the last one.
        self.books.execute(
            "INSERT OR IGNORE INTO entries SELECT ?1, ?2, 1, ?3"
            " WHERE (SELECT coalesce(sum(count), 0) FROM entries WHERE what = ?2) < ?4",
            (task.id, params.goods, words, SHELF.get(params.goods, 0)),
        )
        if self.books.execute("SELECT 1 FROM entries WHERE task = ?", (task.id,)).fetchone() is None:
            raise TaskError("out_of_stock", f"there is no {params.goods} left", retryable=False)
        return Done(summary=words, output={"words": words})

    @serves("release")
    async def release(self, task: Task, params: Goods) -> Done:
        """Put one back."""
        return self.note(task, params.goods, -1, f"a {params.goods} is back on the shelf")

    @serves("charge")
    async def charge(self, task: Task, params: Payment) -> Done:
        """Take the money from the customer's card."""
        if params.amount > LIMIT:
            raise TaskError("card_refused", f"{params.amount} is too much for the card", retryable=False)
        return self.note(task, "money", 0, f"{params.customer} has paid {params.amount}")

    @serves("invoice")
    async def invoice(self, task: Task, params: Payment) -> Done:
        """Write to a customer whose card is not good for it."""
        return self.note(task, "money", 0, f"{params.customer} is sent a bill for {params.amount}")

    @serves("ship")
    async def ship(self, task: Task, params: Goods) -> Done:
        """Send one."""
        if not params.to:
            raise TaskError.incompatible("there is no address to send it to")
        return self.note(task, "parcel", 0, f"a {params.goods} is on its way to {params.to}")
