"""Which instances are there, told from their heartbeats. Pure; time is what the caller says it is."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

from schemas import Heartbeat, InstanceChanged, RoutingTable, is_task_id, is_token

InstanceState = Literal["up", "suspect", "dead", "draining"]
InstanceCounts = Mapping[InstanceState, int]

SUSPECT_S = 3.0
DEAD_S = 6.0
FORGET_S = 3600.0
"""How long an instance that is silent is remembered."""
GRACE_S = 2.0
"""What everybody gets beyond that where it may be ours that their beats were missed: they reconnect a little later than we."""
MOST = 10_000
"""No more instances are known at once."""
MOST_OF_ONE = 1000
"""And no more of one clone: whoever may send its heartbeats chooses their names, and must not keep other clones out."""


class Change(NamedTuple):
    """An instance is in another state than it was."""

    clone: str
    instance: str
    state: InstanceState
    beat_at: datetime
    """The instance's own time of its last heartbeat, by which several observers know that they mean the same change."""


@dataclass(slots=True)
class _Known:
    clone: str
    state: InstanceState
    heard: float
    beat_at: datetime


class RollCall:
    """Knows the instances of a network. `now` is in seconds and never goes back."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}
        self._of: defaultdict[str, dict[str, _Known]] = defaultdict(dict)
        """The same, by clone."""

    def beat(self, beat: Heartbeat, now: float) -> Change | None:
        """Take in a heartbeat, and return what it changes."""
        if not (is_token(beat.clone) and is_task_id(beat.instance)):
            return None
        state: InstanceState = "draining" if beat.state == "draining" else "up"
        known = self._known.get(beat.instance)
        if known is None:
            if not self._has_room(beat.clone):
                return None
            self._add(beat.instance, _Known(beat.clone, state, now, beat.at))
        elif known.clone != beat.clone:
            return None  # a clone speaks for its own instances only
        else:
            unchanged = known.state == state
            known.state, known.heard, known.beat_at = state, now, beat.at
            if unchanged:
                return None
        return Change(beat.clone, beat.instance, state, beat.at)

    def _has_room(self, clone: str) -> bool:
        """Tell whether one more of `clone` may be known, for which the one goes that has been silent longest and is gone."""
        mine = self._of.get(clone, {})
        if len(mine) < MOST_OF_ONE and len(self._known) < MOST:
            return True
        gone = [(known.heard, instance) for instance, known in mine.items() if known.state in ("dead", "draining")]
        if not gone:
            return False
        self._remove(min(gone)[1])
        return True

    def _add(self, instance: str, known: _Known) -> None:
        self._known[instance] = self._of[known.clone][instance] = known

    def _remove(self, instance: str) -> None:
        clone = self._known.pop(instance).clone
        del self._of[clone][instance]
        if not self._of[clone]:
            del self._of[clone]

    def meet(self, event: InstanceChanged, now: float) -> None:
        """Take in what was said of an instance before us: one that was there is expected to beat from now on."""
        if event.state in ("up", "suspect") and event.instance not in self._known and self._has_room(event.clone):
            self._add(event.instance, _Known(event.clone, event.state, now + GRACE_S, event.at))

    def forgive(self, now: float) -> None:
        """Count nobody's silence until now: it may be ours."""
        for known in self._known.values():
            if known.state in ("up", "suspect"):
                known.heard = now + GRACE_S

    def look(self, now: float) -> tuple[Change, ...]:
        """Return whom silence has made suspect or dead. One that was draining has ended, and needs no word."""
        changes = []
        for instance, known in tuple(self._known.items()):
            silent_s = now - known.heard
            state: InstanceState = "dead" if silent_s >= DEAD_S else "suspect" if silent_s >= SUSPECT_S else "up"
            if silent_s >= FORGET_S:
                self._remove(instance)
            elif (known.state, state) in (("up", "suspect"), ("up", "dead"), ("suspect", "dead")):
                known.state = state
                changes.append(Change(known.clone, instance, state, known.beat_at))
        return tuple(changes)

    def is_present(self, clone: str) -> bool:
        """Tell whether an instance of `clone` is there, as far as is known: up or suspect."""
        return any(known.state in ("up", "suspect") for known in self._of.get(clone, {}).values())

    def last_to_go(self, clone: str) -> Change | None:
        """Return the instance of `clone` that died last where none is left, or None."""
        gone = [(known.beat_at, instance) for instance, known in self._of.get(clone, {}).items()]
        if not gone or self.is_present(clone):
            return None
        beat_at, instance = max(gone)
        return Change(clone, instance, "dead", beat_at)

    def counts(self, now: float) -> InstanceCounts:
        """Return how many instances are in each state; the dead count for an hour, those that drained have ended."""
        return Counter(
            known.state for known in self._known.values() if known.state != "draining" or now - known.heard < SUSPECT_S
        )


def may_follow(said: InstanceState | None, state: InstanceState) -> bool:
    """Tell whether `state` is news after what was said last, perhaps by somebody else: silence after draining is not."""
    match state:
        case "up" | "draining":
            return said != state
        case "suspect":
            return said in (None, "up")
        case "dead":
            return said not in ("dead", "draining")


def what_waits(table: RoutingTable, clone: str, present: Collection[str]) -> str | None:
    """Return in words what becomes of the tasks of `clone` while none of its instances is there; None: it has no routes."""
    taken: dict[str, list[str]] = {}
    waiting = []
    for task_type, route in table.routes.items():
        if route.clone == clone:
            by = next((other for other in route.fallback if other in present and other != clone), None)
            if by is None:
                waiting.append(task_type)
            else:
                taken.setdefault(by, []).append(task_type)
    said = [f"{by} takes {_and(types)}" for by, types in taken.items()]
    if waiting:
        said.append(f"{_and(waiting)} {'waits' if len(waiting) == 1 else 'wait'} until one starts")
    return "; ".join(said) or None


def _and(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
