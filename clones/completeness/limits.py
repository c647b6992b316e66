"""By which routes a story is judged: those in force, but not just after a change, when some worker may still go by others. Pure."""

from collections.abc import Collection
from datetime import datetime, timedelta

from clones.completeness.followed import Followed
from clones.completeness.stories import Excused, Story
from schemas import RouteChange, RoutingTable

SPREAD_S = 60.0
"""So long after a change of routes some worker may still go by the ones before."""
_EXCUSED = Excused(server_died=True, zombies=True)


class Limits:
    """The routes in force at one place of the ledger."""

    def __init__(self, table: RoutingTable | None) -> None:
        """Take the table in force where the reading begins; None: the ledger will say so."""
        self._table = table
        self.proposed: dict[int, RoutingTable] = {}
        """By their commands' numbers, tables about which there is no verdict yet."""
        self._changed: dict[str, datetime] = {}
        """By task type, until when its route may be the one before."""
        self._unsure = False
        self._unsure_until: datetime | None = None

    def begin_unsure(self) -> None:
        """Take in that the routes may have changed just before this place."""
        self._unsure, self._unsure_until = True, None

    def forget(self) -> None:
        """Take in that the routes may have changed unseen: they count again once the ledger says which are in force."""
        self._table = None

    def story(self, task_type: str, followed: Followed, now: datetime) -> Story:
        """Return the story of a task of which nothing was told yet."""
        route = None if self._table is None else self._table.routes.get(task_type)
        story = Story(followed.own_retries, parks=True, excused=_EXCUSED)
        if route is not None and self._is_sure(task_type, now):
            story.parks = route.when_exhausted != "fail"
            story.retries = route.retries if story.retries is None else story.retries
        for sequence, subject in followed.assigned.items():
            tokens = subject.split(".")
            story.assign(sequence, tokens[3] if tokens[1] == "handover" else None)
        return story

    def _is_sure(self, task_type: str, now: datetime) -> bool:
        if self._unsure and self._unsure_until is None:
            self._unsure_until = now + timedelta(seconds=SPREAD_S)
        return now >= max(self._changed.get(task_type, now), self._unsure_until or now)

    def propose(self, sequence: int, change: RouteChange, at: datetime) -> Collection[str]:
        """Take in that a table is to be put into force, and return the task types whose routes it has otherwise."""
        self.proposed[sequence] = change.table
        return self._differing(change.table, at)

    def decide(self, command: int, at: datetime, *, in_force: bool) -> Collection[str]:
        """Take in the verdict on a command; returns the same where it has put a table into force."""
        table = self.proposed.pop(command, None)
        if table is None or not in_force:
            return ()
        changed = self._differing(table, at)
        self._table = table
        return changed

    def _differing(self, table: RoutingTable, at: datetime) -> Collection[str]:
        if self._table is None:
            return ()
        before = self._table.routes
        changed = {name for name in {*before, *table.routes} if before.get(name) != table.routes.get(name)}
        for name in changed:
            self._changed[name] = at + timedelta(seconds=SPREAD_S)
        return changed
