"""`sanctuary clone module:Class` beside a real `sanctuary up`: a clone of one's own comes into the network, works, and leaves."""

import contextlib
import re
import shutil
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bus.routes import history, in_force
from bus.server_rights import inbox_prefix
from bus.store import read_network
from ops.commanding import verdict_on
from schemas import Route, RouteChange, TaskAssignment, TaskCompletion, TaskFailure, TaskResult, convert
from tests.bus.eventually import eventually
from tests.ops.network import WITHIN_S, Client, Command, needs_proc, running

pytestmark = needs_proc
EXAMPLE = Path(__file__).parents[2] / "examples" / "translator" / "translator"

OWN = """
import sys, msgspec
from bus.routes import in_force
from bus.task import Done, Task
from clones.base import Clone, serves
from schemas import Route

class Params(msgspec.Struct):
    pass

class Own(Clone):
    name = "{name}"
    routes = {{"{name}": Route(clone="{name}")}}

    async def start(self):
        {start}

    @serves("{name}")
    async def own(self, task: Task, params: Params) -> Done:
        inbox = self.workshop.network.client.new_inbox()
        return Done(output=[self.workshop is self.first, inbox])
"""


def up(directory: Path) -> contextlib.AbstractContextManager[Command]:
    return running("up", "--port", "-1", "--drain", "1", directory=directory)


def clone(directory: Path, *arguments: str, **environment: str) -> contextlib.AbstractContextManager[Command]:
    return running("clone", "translator:Translator", *arguments, directory=directory, **environment)


async def translate(client: Client, **params: Any) -> TaskResult:
    return await client.submitter.run("translate", TaskAssignment(params=params), timeout_s=WITHIN_S)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    """A network in whose directory the example's package lies."""
    directory = tmp_path_factory.mktemp("own")
    shutil.copytree(EXAMPLE, directory / "translator", ignore=shutil.ignore_patterns("__pycache__"))
    with up(directory) as command:
        command.until("ready at ")
        yield command
        is_quiet(command)
        assert command.end() == 0, command.log
    # A question that came before the rights were loaded anew is answered in vain, and a new type's consumer is asked for early.
    assert [each for each in refused(command) if not each.startswith(("_inbox_", "$js.api.consumer.info."))] == []


def refused(command: Command) -> list[str]:
    """What the server did not let the clones do."""
    return re.findall(r"does not let us \w+ \w+ (\S+)", command.log)


def is_quiet(command: Command) -> None:
    """Wait for a second in which nothing is refused: whoever falls back for a type asks fifty times as often."""
    deadline = time.monotonic() + WITHIN_S
    while True:
        before = len(refused(command))
        time.sleep(1.0)
        if len(refused(command)) == before:
            return
        assert time.monotonic() < deadline, "something is refused all the time"


async def test_it_is_admitted_works_and_drains(network: Command) -> None:
    with clone(network.directory, "--canary", "1") as translator:
        translator.until("translator-[0-9a-f]+ is ready")
        async with network.open() as client:
            result = await translate(client, text="hello world")
            assert isinstance(result, TaskCompletion)
            assert (result.clone, result.output) == ("translator", "salve munde")
            refused = await translate(client, text="hello", to="greek")
            assert isinstance(refused, TaskFailure)
            assert refused.code == "incompatible_task"

            async def has_counted() -> bool:
                told = (await client.all_ready("translator"))["translator"]
                assert told.task_types == ("translate",)
                return (told.succeeded, told.failed) == (1, 1)

            # A result is stored before it is counted.
            await eventually(has_counted, within_s=WITHIN_S)
            revision = (await history(client.network))[-1]
            assert revision.routes.table.routes["translate"] == Route(clone="translator", timeout_s=10, retries=1)
            assert revision.routes.by == "clone translator"
            assert set(revision.routes.table.routes) > {"security", "testing"}
        assert translator.end() == 0, translator.log
        assert translator.said("translator-[0-9a-f]+ drains")
    assert "Traceback" not in translator.log
    assert "does not let us" not in translator.log


async def test_a_route_that_is_there_is_left_alone_and_instances_share(network: Command) -> None:
    with contextlib.ExitStack() as stack:
        instances = []
        async with network.open() as client:
            for _ in range(2):
                instances.append(stack.enter_context(clone(network.directory)))
                instances[-1].until("is ready")
            before = await in_force(client.network)
            assert before is not None
            assert "translate" in before.routes.table.routes
            assert not instances[1].said("asking for routes")
            assert isinstance(await translate(client, text="peace"), TaskCompletion)


async def test_a_canary_takes_no_more_than_its_share(network: Command) -> None:
    with clone(network.directory) as old, clone(network.directory, "--canary", "0.2") as canary:
        name = canary.until("(translator-[0-9a-f]+) is ready")[1]
        old.until("is ready")
        async with network.open() as client:
            results = [await translate(client, text="peace") for _ in range(40)]

            async def takes_its_share() -> bool:
                # The other one may have done all of them before this one began to take any.
                if not any(result.instance == name for result in results):
                    results.append(await translate(client, text="peace"))
                return any(result.instance == name for result in results)

            await eventually(takes_its_share, within_s=WITHIN_S)
    by_canary = sum(result.instance == name for result in results)
    assert by_canary <= 1 + 0.2 * len(results)


async def test_a_clone_that_gets_a_type_gets_the_rights_to_it(network: Command) -> None:
    """Gamma takes over what is Delta's, as if it had always been so: with no other there, and none after it."""
    async with network.open() as client:
        for clone_name, others in (("gamma", ()), ("delta", ("beta",))):
            found = await in_force(client.network)
            assert found is not None
            route = msgspec.structs.replace(found.routes.table.routes["testing"], clone=clone_name, fallback=others)
            table = msgspec.structs.replace(found.routes.table, routes={**found.routes.table.routes, "testing": route})
            change = RouteChange(table=table, base_revision=found.number)
            verdict = await verdict_on(client.network, change, within_s=WITHIN_S)
            assert isinstance(verdict, TaskCompletion)

            async def takes_over(name: str = clone_name) -> bool:
                # A task that cannot be done is done soon.
                assignment = TaskAssignment(params={"target": "nowhere"})
                return (await client.submitter.run("testing", assignment, timeout_s=WITHIN_S)).clone == name

            await eventually(takes_over, within_s=WITHIN_S)


@pytest.mark.timeout(300)  # two networks come up
async def test_another_start_on_the_store_knows_it_at_once(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLE, tmp_path / "translator", ignore=shutil.ignore_patterns("__pycache__"))
    with up(tmp_path) as command:
        command.until("ready at ")
        with clone(tmp_path) as translator:
            translator.until("is ready")
            assert translator.end() == 0
        async with command.open() as client:
            submitted = await client.submitter.submit("translate", TaskAssignment(params={"text": "peace"}))
        assert command.end() == 0
    with up(tmp_path) as command:
        command.until("starting omega")
        known = read_network(command.store)
        assert known is not None
        assert "translator" in known.users
        command.until("ready at ")
        with clone(tmp_path) as translator:
            async with command.open() as client:
                result = await client.submitter.result("translate", submitted.id, timeout_s=WITHIN_S)
            assert isinstance(result, TaskCompletion)
            assert result.output == "pax"
            assert translator.end() == 0
        assert command.end() == 0


async def test_without_the_right_to_it_is_told_what_to_add(network: Command) -> None:
    """By anybody's credentials, of another class whose type nobody knows yet."""
    (network.directory / "other.py").write_text(OWN.format(name="other", start="pass"))
    known = read_network(network.store)
    assert known is not None
    with running("clone", "other:Own", directory=network.directory, NATS_URL=known.url) as other:
        assert other.wait() == 1
    told = other.log[other.log.index("sanctuary: ") :]
    assert told.startswith("sanctuary: the routing table has no route for other, and ")
    assert "sanctuary routes set routes.toml" in told
    route = tomllib.loads(told[told.index("[routes.other]") :])["routes"]["other"]
    assert convert(Route, route) == Route(clone="other")
    assert "Traceback" not in other.log


async def test_a_route_that_the_network_refuses_is_told(network: Command) -> None:
    """A route that conflicts: the clone names a fallback of a name that cannot be."""
    wrong = OWN.format(name="wrong", start="pass").replace('clone="wrong"', 'clone="wrong", fallback=("wrong",)')
    (network.directory / "wrong.py").write_text(wrong)
    with running("clone", "wrong:Own", directory=network.directory) as command:
        assert command.wait() == 1
    assert command.said("sanctuary: the routing table has no route for wrong, and the network refused it: ")
    async with network.open() as client:
        found = await in_force(client.network)
        assert found is not None
        assert "wrong" not in found.routes.table.routes


async def test_a_clone_that_cannot_start_changes_nothing(network: Command) -> None:
    (network.directory / "broken.py").write_text(OWN.format(name="broken", start='raise OSError("no\\ndictionary")'))
    async with network.open() as client:
        before = await in_force(client.network)
        with running("clone", "broken:Own", directory=network.directory) as broken:
            assert broken.wait() == 1
        assert await in_force(client.network) == before
    last = broken.log.splitlines()[-1]
    assert last == "sanctuary: broken:Own cannot start: OSError: no dictionary (-v shows where)"
    assert "Traceback" not in broken.log
    with running("clone", "broken:Own", "--verbose", directory=network.directory) as broken:
        assert broken.wait() == 1
    assert "broken.py" in broken.log


async def test_a_clone_s_start_has_the_network_before_that_knows_it(network: Command) -> None:
    """And what it has from then on is a connection of its own, not the operator's."""
    start = "self.first = self.workshop; print(await in_force(self.workshop.network), file=sys.stderr, flush=True)"
    (network.directory / "eager.py").write_text(OWN.format(name="eager", start=start))
    for known in (False, True):
        with running("clone", "eager:Own", directory=network.directory) as eager:
            eager.until("is ready")
            begun = eager.log[: eager.log.index("asking for routes of eager")] if not known else eager.log
            assert begun.count("Revision(number=") == 1
            async with network.open() as client:
                result = await client.submitter.run("eager", TaskAssignment(), timeout_s=WITHIN_S)
            assert isinstance(result, TaskCompletion)
            same, inbox = result.output
            assert same
            assert inbox.startswith(f"{inbox_prefix('eager')}.")
            assert eager.end() == 0, eager.log
        assert "Traceback" not in eager.log


async def test_a_task_that_comes_while_no_instance_lives_waits_for_the_next(network: Command) -> None:
    with clone(network.directory) as translator:
        translator.until("is ready")
        translator.process.kill()
        translator.wait()
    async with network.open() as client:
        submitted = await client.submitter.submit("translate", TaskAssignment(params={"text": "world"}))
        with clone(network.directory):
            result = await client.submitter.result("translate", submitted.id, timeout_s=WITHIN_S)
    assert isinstance(result, TaskCompletion)
    assert result.output == "munde"
