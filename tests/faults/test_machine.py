"""Random lives of tasks on a real server, in real processes: whatever happens, each has one end and a legal story.

`make chaos` lives more of them: CHAOS_ROUNDS=n (default 5, at most 200), CHAOS_SEED=n to have the same steps again.
"""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, ClassVar

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    initialize,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from bus.server import EmbeddedServer, ServerOptions
from schemas import Priority, RecoveryAction, TaskCancel, new_id
from tests.faults.machine import Realm, open_realm
from tests.faults.machine_processes import CLONES, TABLE, Act, shorten_leases
from tests.faults.promises import Task, told, wrongs

ROUNDS = min(200, max(1, int(os.environ.get("CHAOS_ROUNDS", "5"))))
SEED = int(os.environ.get("CHAOS_SEED", "1000"))
LIVES = 6
"""So many with each seed: Hypothesis varies what it has had before, and other seeds are more different."""
STEPS = 15
MOST_OF_A_KIND = 2
HANGS_S = 0.5

TYPES = st.sampled_from(sorted(TABLE.routes))
ACTS = st.builds(
    Act,
    ends=st.sampled_from(("done", "fails", "fails", "raises", "refuses", "hangs", "dies")),
    sleep_s=st.sampled_from((0.0, 0.0, 0.03, 0.15, 0.4)),
    reports=st.sampled_from(("", "first", "last")),
)
SCRIPTS = st.lists(ACTS, min_size=1, max_size=4)
PRIORITIES: st.SearchStrategy[Priority | None] = st.sampled_from((None, "high", "medium", "low"))
LIMITS: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    ({}, {}, {}, {"schedule_to_start_s": 0.3}, {"schedule_to_close_s": 1.0}, {"retries": 0}, {"retries": 3})
)
ACTIONS = st.sampled_from(("retry", "reassign", "complete", "fail"))
ASKED = st.tuples(TYPES, SCRIPTS, PRIORITIES, LIMITS)
Asked = tuple[str, list[Act], Priority | None, dict[str, Any]]
CROWDS = ((*CLONES, "omega"), CLONES, ("omega",), ())
"""Who is there at the beginning."""
NAMES = st.sampled_from((*CLONES, "omega"))


class Ground:
    """One event loop and one server for all lives."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.runner = asyncio.Runner()
        self.server = EmbeddedServer(ServerOptions(store=directory / "store", port=-1))

    def __enter__(self) -> "Ground":
        self.runner.run(self.server.start())
        return self

    def __exit__(self, *_: object) -> None:
        self.runner.run(self.server.stop())
        self.runner.close()


class Lives(RuleBasedStateMachine):
    """One example: a fresh realm, some tasks, and what befalls them."""

    ground: ClassVar[Ground]
    tasks: Bundle[Task] = Bundle("tasks")

    def __init__(self) -> None:
        super().__init__()
        self.realm: Realm | None = None
        self.decision = "fail"
        self.steps: list[str] = []
        self.went_wrong = False

    def run(self, work: Any) -> Any:
        """Run a coroutine to its end; the steps so far tell what came before a failure."""
        try:
            return self.ground.runner.run(work)
        except BaseException:
            self.went_wrong = True
            raise

    def note(self, *step: object) -> None:
        self.steps.append(" ".join(map(str, step)))

    @property
    def here(self) -> Realm:
        assert self.realm is not None
        return self.realm

    @property
    def instances(self) -> list[str]:
        return [*self.here.workers, *self.here.omegas]

    @initialize(
        target=tasks,
        decision=ACTIONS,
        kept_s=st.sampled_from((0.1, 3600.0)),
        there=st.sampled_from((*CROWDS, CROWDS[0])),
        asked=st.lists(ASKED, min_size=2, max_size=5),
    )
    def begin(self, decision: str, kept_s: float, there: tuple[str, ...], asked: list[Asked]) -> MultipleResults[Task]:
        """Make the realm, with or without anybody to work in it, and some tasks."""
        self.opened: AbstractAsyncContextManager[Realm] = open_realm(
            self.ground.server, self.ground.directory, kept_s=kept_s
        )
        self.realm = self.run(self.opened.__aenter__())
        self.decision = decision
        for clone in there:
            self.note("start", self.here.start(clone))
        return multiple(*map(self._submit, asked))

    @rule(target=tasks, asked=st.lists(ASKED, min_size=1, max_size=3))
    def submit(self, asked: list[Asked]) -> MultipleResults[Task]:
        return multiple(*map(self._submit, asked))

    def _submit(self, asked: Asked) -> Task:
        task_type, script, priority, limits = asked
        if any(act.ends == "hangs" for act in script):
            limits = {**limits, "timeout_s": HANGS_S}
        if any(act.ends == "dies" for act in script):
            limits = {**limits, "retries": min(1, limits.get("retries", 1))}  # each death takes a lease
        task: Task = self.run(self.here.submit(task_type, script, priority=priority, **limits))
        self.note("submit", *task, script, limits)
        return task

    @rule(clone=NAMES)
    def start_instance(self, clone: str) -> None:
        if sum(instance.startswith(clone) for instance in self.instances) < MOST_OF_A_KIND:
            self.note("start", self.here.start(clone))

    @rule(clone=NAMES, way=st.sampled_from((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM)))
    def end_instance(self, clone: str, way: signal.Signals) -> None:
        """By kill -9, or by draining it."""
        for instance in self.instances:
            if instance.startswith(clone):
                self.note(way.name, instance)
                self.run(self.here.end(instance, way))
                return

    @rule(clone=NAMES)
    def freeze(self, clone: str) -> None:
        for instance in self.instances:
            if instance.startswith(clone) and not self.here.is_frozen(instance):
                self.note("SIGSTOP", instance)
                self.here.send(instance, signal.SIGSTOP)
                return

    @rule()
    @precondition(lambda self: any(map(self.here.is_frozen, self.instances)))
    def thaw(self) -> None:
        for instance in self.instances:
            if self.here.is_frozen(instance):
                self.note("SIGCONT", instance)
                self.here.send(instance, signal.SIGCONT)

    @rule(task=tasks, within_s=st.sampled_from((0.1, 0.5, 1.5)))
    def wait(self, task: Task, within_s: float) -> None:
        """Until something happens to a task."""
        self.note("wait", task, within_s)
        self.run(self.here.moves(task, within_s))

    @rule(task=tasks)
    def cancel(self, task: Task) -> None:
        self.note("cancel", task, "#", self.run(self.here.command(TaskCancel(task_type=task[0], task_id=task[1]))))

    @rule(task=tasks, action=ACTIONS, clone=st.sampled_from(CLONES))
    def recover(self, task: Task, action: str, clone: str) -> None:
        self._recover(task, action, clone)

    @rule(task_type=TYPES, action=ACTIONS, cancel=st.booleans())
    def meddle_with_what_was_never_submitted(self, task_type: str, action: str, cancel: bool) -> None:
        task = task_type, new_id()
        if cancel:
            self.cancel(task)
        else:
            self._recover(task, action, "ann")

    @rule(actions=st.lists(ACTIONS, min_size=2, max_size=3), clone=st.sampled_from(CLONES))
    def decide_several_times_at_once(self, actions: list[str], clone: str) -> None:
        """About what is parked, so that of several decisions one counts."""
        for task in self.run(self.here.read()).parked():
            commands = [self._action(task, action, clone) for action in actions]
            self.note("at once", task, actions, clone, "#", self.run(self.here.commands(commands)))

    def _recover(self, task: Task, action: str, clone: str) -> None:
        command = self._action(task, action, clone)
        self.note(action, command.clone, task, "#", self.run(self.here.command(command)))

    def _action(self, task: Task, action: Any, clone: str) -> RecoveryAction:
        to = clone if action == "reassign" else None
        return RecoveryAction(task_type=task[0], task_id=task[1], action=action, clone=to)

    def teardown(self) -> None:
        """Heal, drain, check."""
        if self.realm is None:
            return
        try:
            if not self.went_wrong:
                self.run(self._check())
        except AssertionError as error:
            steps = "\n".join(self.steps)
            raise AssertionError(f"{error}\nafter\n{steps}") from None
        finally:
            self.ground.runner.run(self.opened.__aexit__(None, None, None))

    async def _check(self) -> None:
        await self.here.heal()
        ledger = await self.here.drain("retry" if self.decision == "reassign" else self.decision)
        found = wrongs(self.here.asked, ledger, self.here.place)
        said = [f"{task}: {what}" for task, what in found]
        whole = await self.here.findings()
        assert not whole, "\n".join(
            [
                *map(str, whole),
                told(ledger, self.here.place, [(each.task_type or "", each.task_id or "") for each in whole]),
            ]
        )
        assert not found, "\n".join([*said, told(ledger, self.here.place, [task for task, _ in found])])


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with pytest.MonkeyPatch.context() as patch, Ground(tmp_path_factory.mktemp("machine")) as opened:
        shorten_leases(patch.setattr)
        Lives.ground = opened
        yield opened


def try_lives(seed: int) -> None:
    run_state_machine_as_test(
        hypothesis.seed(seed)(type("Seeded", (Lives,), {})),
        settings=hypothesis.settings(
            max_examples=LIVES,
            stateful_step_count=STEPS,
            derandomize=False,
            # Time is part of each life, so none is had again exactly: what failed is told with all that happened.
            phases=(Phase.generate,),
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.timeout(300)
def test_each_life_has_one_end_and_a_legal_story(ground: Ground) -> None:
    try_lives(0)


@pytest.mark.chaos
@pytest.mark.timeout(60 + 120 * ROUNDS)
def test_many_lives(ground: Ground) -> None:
    for number in range(ROUNDS):
        print(f"round {number + 1} of {ROUNDS}, seed {SEED + number}")  # noqa: T201
        try_lives(SEED + number)
