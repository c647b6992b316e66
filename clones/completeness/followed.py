"""What is followed of a task, and of a run, that has not ended: the numbers of its entries, and how far its story has come."""

from dataclasses import dataclass, field

from bus.subjects import WORKFLOW_TYPE
from clones.completeness.findings import Key
from clones.completeness.stories import Story


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

    @property
    def is_over(self) -> bool:
        """Tell whether it has ended, and all that it asked for."""
        return (WORKFLOW_TYPE, self.id) in self.results and self.children.keys() <= self.results.keys()
