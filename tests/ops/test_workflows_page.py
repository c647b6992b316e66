"""docs/workflows.md is true: its definitions and commands run as they stand, in order, beside a real `sanctuary up`."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from bus.store import read_network
from clones.workflows.shipped import shipped
from schemas import Step, WorkflowDefinition
from tests.ops.network import WITHIN_S, Command, make_project, needs_proc, running

pytestmark = needs_proc

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "workflows.md"
TEXT = PAGE.read_text(encoding="utf-8")
SHOP = ROOT / "examples" / "shop"
STARTED = ("sanctuary up", "sanctuary clone shop:Shop")
"""What the page has run for as long as one reads it; the fixture does."""
KEY = "~/.local/state/sanctuary/keys/operator.nk"
RESTING = ("waiting", "completed", "failed", "cancelled")

NATS = '''
"""As much of the nats command line as the page uses, where the real one is not to be had."""
import argparse, asyncio, os, sys
import nats

top = argparse.ArgumentParser()
top.add_argument("--nkey")
which = top.add_subparsers(dest="what", required=True)
for name in ("pub", "req"):
    asked = which.add_parser(name)
    asked.add_argument("subject")
    asked.add_argument("body")
    asked.add_argument("--timeout", default="30s")
bucket = which.add_parser("kv")
for name in ("get", "bucket", "key"):
    bucket.add_argument(name)
bucket.add_argument("--raw", action="store_true")
told = top.parse_args()

async def main():
    client = await nats.connect(os.environ["PAGE_NATS_URL"], nkeys_seed=told.nkey)
    if told.what == "pub":
        await client.publish(told.subject, told.body.encode())
        await client.flush()
    elif told.what == "req":
        within_s = float(told.timeout[:-1]) * {"s": 1, "m": 60, "h": 3600}[told.timeout[-1]]
        print((await client.request(told.subject, told.body.encode(), timeout=within_s)).data.decode())
    else:
        print((await (await client.jetstream().key_value(told.bucket)).get(told.key)).value.decode())
    refused = client.last_error
    await client.close()
    sys.exit(str(refused) if refused else 0)

asyncio.run(main())
'''


class Block(NamedTuple):
    """A block of the page."""

    language: str
    text: str


BLOCKS = [Block(*found) for found in re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)]
FILES = {"toml": r'^name = "(\w+)"', "json": r'^{"name": "(\w+)"', "python": r'^"""(\w+)\.py '}
"""By language, what a file of it begins with: its name."""
SUFFIXES = {"toml": "toml", "json": "json", "python": "py"}


class Reader:
    """Somebody who does what the page says."""

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        self._directory = directory
        self._environment = environment
        self._last_run = ""
        self._over = ""
        """The newest run that has come to its end."""
        self.seen = ""
        """What the commands of the newest block, and of those before it since something was to be seen, have said."""

    def write(self, block: Block) -> None:
        found = re.search(FILES[block.language], block.text)
        assert found, block.text
        (self._directory / f"{found[1]}.{SUFFIXES[block.language]}").write_text(block.text)

    def run(self, line: str) -> None:
        if re.search(r"\bID\b", line):
            self._settle()
        line = re.sub(r"\bID\b", self._last_run, line).replace(KEY, self._environment["OPERATOR"])
        named = re.search(r'sanctuary\.workflow\.\w+ .*"id":"([\w-]+)"', line)
        decided = re.search(r'"workflow_id":"([\w-]+)"', line)
        if decided:
            self._last_run = decided[1]
            self._settle()
        ended = self._shell(line)
        assert ended.returncode == 0, f"{line}\n{ended.stdout}{ended.stderr}"
        if " req " in line:
            assert '"type":"TaskFailure"' not in ended.stdout, ended.stdout
        told = ended.stdout + ended.stderr
        begun = re.search(r"runs as (\S+) \(#", told) or re.search(r"^(\S+) #\d+$", ended.stdout, re.MULTILINE) or named
        self._last_run = begun[1] if begun else self._last_run
        self.seen += told

    def _settle(self) -> None:
        """Wait until the newest run goes on only if somebody does something."""
        if self._over == self._last_run:
            return
        deadline = time.monotonic() + WITHIN_S
        while True:
            shown = self._shell(f"sanctuary workflow show {self._last_run} --json")
            state = json.loads(shown.stdout)["state"] if shown.returncode == 0 else ""
            if state in RESTING:
                self._over = self._last_run if state != "waiting" else ""
                return
            assert time.monotonic() < deadline, shown.stdout + shown.stderr
            time.sleep(0.3)

    def _shell(self, line: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["bash", "-c", line],
            check=False,
            cwd=self._directory,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=WITHIN_S,
        )


def plain(text: str) -> str:
    """A line without what is another one each time: ids, numbers of entries, times, lengths, sizes, names of processes and people."""
    for pattern, word in (
        (r"(?<![\w-])(?:[\w-]{22}|[0-9a-f]{32}|ID)(?![\w-])", "ID"),
        (r"#\d+", "#N"),
        (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "TIME"),
        (r"\b[\d.]+ (ms|s|min)\b", "LENGTH"),
        (r"[\d.]+ (B|KiB|MiB)", "SIZE"),
        (r"-[0-9a-f]{8}\b", ""),
        (r"[\w.-]+@[\w.-]+", "ME"),
        (r"\s+", " "),
    ):
        text = re.sub(pattern, word, text)
    return text.strip()


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """Whoever follows the page, with the network and the clone that it begins with."""
    directory = tmp_path_factory.mktemp("page")
    make_project(directory / "project")
    (directory / "project" / "calc.py").write_text(
        'import subprocess\n\n\ndef double(number):\n    """Return twice `number`."""\n    return number * 2\n\n\n'
        "def run(line):\n    return subprocess.call(line, shell=True)\n"
    )
    shutil.copy(SHOP / "shop.py", directory)
    tools = directory / "tools"
    tools.mkdir()
    (tools / "nats").write_text(f"#!{sys.executable}\n{NATS}")
    (tools / "nats").chmod(0o755)
    with running("up", "--port", "-1", "--drain", "1", directory=directory) as network:
        network.until("ready at ")
        with running("clone", "shop:Shop", "--drain", "1", directory=directory) as shop:
            shop.until(r"shop-[0-9a-f]+ is ready")
            yield Reader(directory, surroundings(network, tools))
            shop.end()
        network.end()


def surroundings(network: Command, tools: Path) -> dict[str, str]:
    known = read_network(network.store)
    assert known is not None
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("NATS_", "SANCTUARY_"))}
    return {
        **clean,
        "HOME": str(network.directory),
        "TMPDIR": str(network.temporary),
        "SANCTUARY_STORE": str(network.store),
        "PATH": f"{tools}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "400",
        # Of the nats command line alone: `sanctuary` is to find the network by its store.
        "PAGE_NATS_URL": known.url,
        "OPERATOR": str(network.store / "keys" / "operator.nk"),
    }


@pytest.mark.chaos
@pytest.mark.timeout(600)
def test_what_the_page_says_to_do_is_done_and_seen(reader: Reader) -> None:
    done = 0
    for block in BLOCKS:
        if block.language in FILES:
            reader.write(block)
        elif block.language == "sh":
            for line in block.text.splitlines():
                command = line.partition(" #")[0].strip()
                if command not in STARTED:
                    reader.run(command)
                    done += 1
        else:
            seen = {plain(line) for line in reader.seen.splitlines()}
            missing = [line for line in block.text.splitlines() if plain(line) not in seen]
            missing = [line for line in missing if not any(each.startswith(plain(line)) for each in seen)]
            assert missing == [], reader.seen
            reader.seen = ""
    assert done > 40


@pytest.mark.parametrize("name", ["order", "orders"])
def test_the_page_s_definitions_are_the_example_s(name: str) -> None:
    (block,) = (each.text for each in BLOCKS if each.language == "toml" and f'name = "{name}"\n' in each.text)
    assert block == (SHOP / f"{name}.toml").read_text(encoding="utf-8")


def test_the_picture_is_of_that_run() -> None:
    words = re.findall(r">([^<]+)</text>", (ROOT / "docs" / "workflow.svg").read_text(encoding="utf-8"))
    boxes = words[words.index("reserve") :]
    states = {name: state.partition(" ")[0] for name, state in zip(boxes[::3], boxes[2::3], strict=True)}
    wanted = {
        "reserve": "completed",
        "approval": "waiting",
        "charge": "pending",
        "invoice": "pending",
        "ship": "pending",
    }
    assert states == wanted


def test_each_promise_has_its_test() -> None:
    tests = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    named = set(re.findall(r"`(test_\w+)`", TEXT))
    assert len(named) > 20
    assert [name for name in sorted(named) if not re.search(rf"def {name}\(", tests)] == []


def test_each_field_is_there() -> None:
    kinds: tuple[type[WorkflowDefinition] | type[Step], ...] = (WorkflowDefinition, Step)
    fields = {field for kind in kinds for field in kind.__struct_fields__}
    assert [field for field in sorted(fields) if not re.search(rf"`{field}[`.]", TEXT)] == []


def test_the_shipped_ones_are_there_with_their_inputs() -> None:
    section = TEXT.partition("## The workflows that come with Sanctuary")[2]
    rows = {found[1]: found[2] for found in re.finditer(r"^\| `([\w-]+)` \|([^|]*)\|", section, re.MULTILINE)}
    assert rows.keys() == {definition.name for definition in shipped()}
    for definition in shipped():
        named = set(re.findall(r"`(\w+)`", rows[definition.name]))
        assert named == definition.input.keys() - {"target", "step_timeout_s"}, definition.name


def test_the_page_s_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[\w-]+)?\)", TEXT)
    assert [link for link in links if not (PAGE.parent / link).exists()] == []
    own = set(re.findall(r"\]\(#([\w-]+)\)", TEXT))
    anchors = {
        re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^#+ (.+)$", TEXT, re.MULTILINE)
    }
    assert own <= anchors
