"""What is followed of a task, and of a run, that has not ended: the numbers of its entries, and how far its story has come."""

from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass, field

from bus.subjects import WORKFLOW_TYPE
from clones.completeness.findings import Key
from clones.completeness.stories import Story

MOST_CHILDREN = 20_000
"""So many tasks that name one run as their parent are held; of a run with more, none is judged. Anybody may name any run."""


@dataclass(slots=True)
class Followed:
    """A task, a run, a command or an escalation that has not ended."""

    assigned: dict[int, str]
    """The numbers of its assignments, or of its start and its wake-ups, each with its subject."""
    parent_id: str | None = None
    own_retries: int | None = None
    """The task's own word; None: its route's counts."""
    story: Story | None = None
    """None until something is told of it, and of what no clone does."""
    events: list[int] = field(default_factory=list)
    rests: bool = False
    """Whether it is a run of which the last word is that it only waits."""
    progressed: bool = False
    """Whether the last event is mere progress."""
    patchy: bool = False
    """Whether entries about it may be missing, so that its story is not judged."""


@dataclass(slots=True)
class Pieces:
    """The numbers of the entries that are a run."""

    id: str
    activations: list[int] = field(default_factory=list)
    history: list[int] = field(default_factory=list)
    children: dict[Key, int] = field(default_factory=dict)
    """What names it as its parent: the first assignment, or start, under each id."""
    results: dict[Key, int] = field(default_factory=dict)
    """Its own, and those of its children."""
    patchy: bool = False
    """Whether entries about it may be missing, so that it is not judged."""

    def adopt(self, key: Key, sequence: int) -> None:
        """Take in what names it as its parent."""
        if not self.is_crowded:
            self.children.setdefault(key, sequence)

    @property
    def is_crowded(self) -> bool:
        """Tell whether more may name it as their parent than are held."""
        return len(self.children) >= MOST_CHILDREN

    @property
    def is_over(self) -> bool:
        """Tell whether it has ended, and all that it asked for."""
        return (WORKFLOW_TYPE, self.id) in self.results and self.children.keys() <= self.results.keys()


def make_patchy(open_: Iterable[Followed], runs: Iterable[Pieces]) -> None:
    """Take in that entries about all of these may be missing."""
    for followed in open_:
        followed.patchy = True
    for run in runs:
        run.patchy = True


def drop_removed(open_: MutableMapping[Key, Followed], runs: MutableMapping[str, Pieces], before: int) -> None:
    """Forget what was asked for before an entry and not since: all before it was removed, and so it had ended."""
    for key in [key for key, followed in open_.items() if max(followed.assigned) < before]:
        del open_[key]
    for run_id in [run.id for run in runs.values() if max(run.activations) < before]:
        del runs[run_id]
