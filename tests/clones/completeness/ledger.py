"""A ledger in memory, written by whoever tests, and looked up as the real one is."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from bus.jetstream import StoredMessage
from bus.subjects import Subjects
from clones.completeness.books import Books
from clones.completeness.findings import Finding
from clones.completeness.looking import Looking
from schemas import (
    RoutingTable,
    TaskAssignment,
    TaskCompletion,
    TaskEvent,
    TaskFailure,
    WorkflowInForce,
    convert,
    encode,
)

AT = datetime(2026, 1, 1, tzinfo=UTC)
TABLE: RoutingTable = convert(
    RoutingTable,
    {"routes": {"plain": {"clone": "ann", "retries": 1}, "parked": {"clone": "ann", "when_exhausted": "park"}}},
)


class Ledger:
    """Entries, numbered from 1, a second apart."""

    def __init__(self) -> None:
        self.subjects = Subjects("r")
        self.messages: list[StoredMessage] = []
        self.first = 1
        self.checkpoint: int | None = None
        self.definitions: dict[tuple[str, int], WorkflowInForce] = {}
        self._skipped = 0

    def store(self, subject: str, body: bytes, *, at: datetime | None = None, **headers: str) -> int:
        """Store a message, and return its number."""
        sequence = len(self.messages) + self._skipped + 1
        stored_at = at or AT + timedelta(seconds=sequence)
        self.messages.append(StoredMessage(f"r.{subject}", sequence, stored_at, body, dict(headers)))
        return sequence

    def skip(self, count: int = 1) -> None:
        """Leave out numbers."""
        self._skipped += count

    def ask(self, task_id: str | None, task_type: str = "plain", **fields: Any) -> int:
        return self.store(f"task.{task_type}", encode(TaskAssignment(id=task_id, **fields)))

    def tell(
        self,
        kind: Callable[..., TaskEvent],
        task_id: str,
        attempt: int,
        sequence: int,
        task_type: str = "plain",
        **more: Any,
    ) -> int:
        event = kind(
            task_id=task_id,
            task_type=task_type,
            clone="ann",
            instance="ann-1",
            attempt=attempt,
            at=AT + timedelta(seconds=len(self.messages)),
            sequence=sequence,
            **more,
        )
        return self.store(f"event.{task_type}.{task_id}", encode(event))

    def done(self, task_id: str, attempt: int = 1, task_type: str = "plain", *, writer: str = "w", **more: Any) -> int:
        at: datetime | None = more.pop("at", None)
        result = TaskCompletion(
            task_id=task_id,
            task_type=task_type,
            clone="ann",
            instance="ann-1",
            attempt=attempt,
            started_at=AT,
            finished_at=AT,
            writer=writer,
            **more,
        )
        return self.store(f"result.{task_type}.{task_id}", encode(result), at=at)

    def failed(self, task_id: str, code: str, attempt: int = 1, task_type: str = "plain", *, writer: str = "w") -> int:
        result = TaskFailure(
            task_id=task_id,
            task_type=task_type,
            code=code,
            message="",
            clone="ann",
            instance="ann-1",
            attempt=attempt,
            finished_at=AT,
            writer=writer,
        )
        return self.store(f"result.{task_type}.{task_id}", encode(result))

    # As clones.completeness.looking.Look

    async def entry(self, sequence: int) -> StoredMessage | None:
        return next((each for each in self.messages if each.sequence == sequence >= self.first), None)

    async def first_result(self, task_type: str, task_id: str) -> StoredMessage | None:
        subject = self.subjects.result(task_type, task_id)
        return next((each for each in self.messages if each.subject == subject), None)

    async def definition(self, name: str, version: int) -> WorkflowInForce | None:
        return self.definitions.get((name, version))

    async def begins(self) -> int:
        return self.first

    async def signed(self) -> int | None:
        return self.checkpoint

    async def now(self) -> datetime:
        return self.messages[-1].stored_at

    async def findings(self, *, cut: int = 0) -> list[Finding]:
        """Return what the check finds; with `cut` it is broken off behind that entry and goes on from what was kept there."""
        books, looking, found = Books(self.subjects, TABLE), Looking(self.subjects, self), list[Finding]()
        for message in self.messages:
            if message.sequence < self.first:
                continue
            if cut and message.sequence > cut >= books.last:
                found += await looking.clear(books)
                kept, last = books.kept(), books.last
                books, cut = Books(self.subjects, TABLE), 0
                for each in self.messages:
                    if each.sequence in kept:
                        books.take(each, again=True)
                books.resume(last)
            books.take(message)
        return found + await looking.clear(books)
