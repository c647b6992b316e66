"""How much work the analysis does: steps, which are the same on any machine, and the clocks as the last bounds."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

from clones.engines.security.taint.base import OutOfStepsError
from clones.engines.security.taint.project import FunctionInfo

MAX_STEPS = 1_500_000
"""Statements and expressions that are looked at in one project, about thirty thousand a second."""
MAX_TEST_STEPS = 300_000
"""Of these, from functions in directories of tests on."""
MAX_ROOT_STEPS = 60_000
"""And from one function on."""
MAX_CALLED_STEPS = 30_000
"""And in all calls of one function, with all that it calls, beside the calls that are told again from a summary."""
MAX_COLD_STEPS = 3_000
"""The same where no outside data is near."""
MAX_CPU_S = 120.0
"""Processor time of a scan, the last bound: the steps are used up before, so that results do not hang on the machine."""
MAX_ROOT_CPU_S = 15.0
"""And from one function on."""
_CLOCK_STEPS = 500
"""Steps between two looks at the clock."""


class Budget:
    """What was spent of the bounds; the work is done in parts, from one function or module on each."""

    def __init__(self) -> None:
        self._executed: dict[FunctionInfo, int] = {}
        self._spent: dict[tuple[FunctionInfo, bool], int] = {}
        self._steps = 0
        self._test_steps = 0
        self._begin = 0
        self._limit = 0
        self._checkpoint = 0
        self._begin_s = self._root_begin_s = time.process_time()
        self.deadline = math.inf
        """The moment of `time.monotonic()` at which whoever asks wants to have what there is."""

    def begin(self, *, is_test: bool) -> bool:
        """Begin a part of the work; false where nothing is left for it."""
        left = MAX_TEST_STEPS - self._test_steps if is_test else MAX_STEPS - self._steps + self._test_steps
        self._root_begin_s = time.process_time()
        if left <= 0 or self._root_begin_s - self._begin_s > MAX_CPU_S or self.is_over:
            return False
        self._executed.clear()
        self._begin = self._checkpoint = self._steps
        self._limit = self._begin + min(MAX_ROOT_STEPS, left)
        return True

    def end(self, *, is_test: bool) -> None:
        """End the part that was begun last."""
        self._test_steps += self._steps - self._begin if is_test else 0

    def tick(self, steps: int = 1) -> None:
        """Count steps.

        Raises:
            OutOfStepsError: there were too many, or they took too long.
        """
        self._steps += steps
        if self._steps > self._checkpoint:
            self._check()

    def _check(self) -> None:
        now = time.process_time()
        late = now - self._begin_s > MAX_CPU_S or now - self._root_begin_s > MAX_ROOT_CPU_S
        if late or self.is_over or self._steps > self._limit:
            raise OutOfStepsError
        self._checkpoint = min(self._limit, self._steps + _CLOCK_STEPS)

    @property
    def is_over(self) -> bool:
        """Whether the deadline has passed."""
        return time.monotonic() > self.deadline

    def may_execute(self, info: FunctionInfo, limit: int, *, cold: bool) -> bool:
        """Whether a function may be looked at once more from where the work is now, with other arguments."""
        times = self._executed[info] = self._executed.get(info, 0) + 1
        spent = self._spent.get((info, cold), 0)
        return times <= limit and spent <= (MAX_COLD_STEPS if cold else MAX_CALLED_STEPS)

    @contextmanager
    def spending(self, info: FunctionInfo, *, cold: bool) -> Iterator[None]:
        """Count the steps of a call of a function, also where it is given up."""
        begin = self._steps
        try:
            yield
        finally:
            self._spent[info, cold] = self._spent.get((info, cold), 0) + self._steps - begin
