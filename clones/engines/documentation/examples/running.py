"""From a document to the outcome of each of its steps: started again behind a step that ended the process, run twice where in doubt."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from clones.engines.contract import EngineError
from clones.engines.documentation.examples import supervised
from clones.engines.documentation.examples.copies import Copy
from clones.engines.documentation.examples.ends import End
from clones.engines.documentation.examples.judging import (
    DIFFERS,
    FAILED,
    NO_TIME,
    NOT_RUN,
    RAN,
    Outcome,
    judge,
    made,
    with_second,
)
from clones.engines.documentation.examples.lacking import Here
from clones.engines.documentation.examples.steps import Document, Step
from clones.engines.environment import Environment, run_env
from clones.engines.running.measured import INSIDE
from clones.engines.running.offline import offline
from clones.launching import Limits

STEP_S = 10.0
"""What a block, or one thing that is typed, may take."""
FORKS = 32
_MOST_STARTS = 8
"""Of a document's process."""
_AROUND_LINES = 6
_PROGRAM = INSIDE / "sanctuary_examples.py"
_LEAST_S = 1.0


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where documents are run, and how long."""

    environment: Environment
    copy: Copy
    deadline: float
    """A time of `time.monotonic`."""
    own: frozenset[str]
    """The project's modules, by their dotted names."""
    has: Callable[[str], bool]

    def left_s(self) -> float:
        """Return the seconds that are left."""
        return self.deadline - time.monotonic()


def run_document(document: Document, lines: Sequence[str], place: Place) -> tuple[Outcome, ...]:
    """Run the steps of a document; returns an outcome for each, in order."""
    steps = document.steps()
    first = _Attempt(document, steps, lines, place, seed=0)
    first.run()
    outcomes = first.outcomes()
    doubted = [number for number, each in enumerate(outcomes) if each.outcome in {FAILED, DIFFERS}]
    if not doubted:
        return outcomes
    second = first.again(doubted[-1])
    second.run()
    return tuple(
        with_second(one, other, second.unended(number))
        for number, (one, other) in enumerate(zip(outcomes, second.outcomes(), strict=True))
    )


class _Attempt:
    """One time through a document, in as many processes as it takes."""

    def __init__(
        self, document: Document, steps: Sequence[Step], lines: Sequence[str], place: Place, *, seed: int
    ) -> None:
        self._document = document
        self._steps = steps
        self._lines = lines
        self._place = place
        self._seed = seed
        self._ends: dict[int, End] = {}
        self._dead: dict[int, str] = {}
        """Steps that are not run any more, and why."""

    def again(self, last: int) -> "_Attempt":
        """Return the attempt with another order of sets that goes as far as the step `last`, without what did not end."""
        other = _Attempt(self._document, self._steps, self._lines, self._place, seed=self._seed + 1)
        ended = {number for number, end in self._ends.items() if not end.late and number <= last}
        other._dead = {number: "" for number in range(len(self._steps)) if number not in ended}
        return other

    def run(self) -> None:
        """Run what is to be run, as far as the time goes."""
        waiting = [
            number for number, step in enumerate(self._steps) if not step.left_alone and number not in self._dead
        ]
        starts = 0
        why = ""
        while waiting and not why:
            if self._place.left_s() < _LEAST_S:
                why = NO_TIME
                break
            if starts == _MOST_STARTS:
                why = f"the process of the document was started {starts} times, and each time a block ended it"
                break
            starts += 1
            try:
                heard = self._start(waiting)
            except EngineError as error:
                why = error.message
                break
            self._ends |= heard.ends
            waiting = [number for number in waiting if number not in heard.ends]
            if heard.finished:
                break
            if not heard.why:
                why = NO_TIME
            elif heard.begun is None:
                why = heard.why
            elif heard.begun in waiting:
                self._dead[heard.begun] = heard.why
                waiting.remove(heard.begun)
            else:
                why = f"what came before it did not end a second time as it had ended at first: {heard.why}"
        for number in waiting:
            self._dead[number] = why or "its process came to no end that can be told"

    def _start(self, waiting: Iterable[int]) -> supervised.Heard:
        """Run what waits, behind what was run before: that makes the names it uses."""
        place = self._place
        wanted = frozenset(waiting)
        again = frozenset(number for number, end in self._ends.items() if not end.late)
        number = 0
        groups = []
        for group in self._document.groups:
            steps = []
            for step in (step for example in group.examples for step in example.steps):
                if number in wanted or number in again:
                    steps.append(
                        supervised.RequestedStep(
                            number=number,
                            source=step.source,
                            line=step.line,
                            typed=step.typed,
                            again=number not in wanted,
                        )
                    )
                number += 1
            if steps:
                groups.append(supervised.RequestedGroup(module=group.module, steps=tuple(steps)))
        request = supervised.Request(file=self._document.file, limit_s=STEP_S, processes=FORKS, groups=tuple(groups))
        limits = Limits(
            timeout_s=max(_LEAST_S, place.left_s()),
            processes=supervised.PROCESSES,
            disk_bytes=supervised.DISK_BYTES,
        )
        argv = offline([place.environment.python, str(_PROGRAM)])
        with place.copy.prepared() as home:
            env = run_env(place.environment, place.copy.root, home)
            env |= {"PYTHONHASHSEED": str(self._seed), "PYTHONDONTWRITEBYTECODE": "1", "MPLBACKEND": "Agg"}
            try:
                return supervised.run(argv, request, env=env, copy=place.copy, limits=limits)
            except OSError as error:
                raise EngineError(f"it could not be started: {error}") from None

    def unended(self, number: int) -> str:
        """Say why a step that was to be run came to no end; empty where it did."""
        return self._dead.get(number, "")

    def outcomes(self) -> tuple[Outcome, ...]:
        """Return what came of each step."""
        unsure: dict[str, int] = {}
        found = []
        numbers = iter(range(len(self._steps)))
        for group in self._document.groups:
            if group.module is not None:
                unsure = {}
            for step in (step for example in group.examples for step in example.steps):
                number = next(numbers)
                end = self._ends.get(number)
                if end is not None:
                    outcome = self._judge(step, end, unsure)
                else:
                    reason = step.left_alone or self._dead[number]
                    outcome = Outcome(outcome=NOT_RUN, line=step.line, reason=reason)
                found.append(outcome)
                for name in made(step):
                    if outcome.outcome in {RAN, DIFFERS}:
                        unsure.pop(name, None)
                    else:
                        unsure[name] = step.line
        return tuple(found)

    def _judge(self, step: Step, end: End, unsure: Mapping[str, int]) -> Outcome:
        last = step.line + step.source.count("\n")
        text = "\n".join(
            [self._document.file, *self._lines[max(0, step.line - 1 - _AROUND_LINES) : last + _AROUND_LINES]]
        )
        here = Here(own=self._place.own, has=self._place.has, unsure=unsure)
        return judge(step, end, here, text=text, limit_s=STEP_S)
