"""Clients in other languages, run as processes: they know NATS and nothing of Sanctuary."""

import base64
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
NATS_CLI = HERE / "bin" / "nats"
GO_CLIENT = HERE / "bin" / "client"
GO_SUBMIT = HERE / "bin" / "submit"
GO_PROVE = HERE / "bin" / "prove"
GO_SIGNED = HERE / "bin" / "signed"
GOSEC = HERE / "bin" / "gosec"
NODE_MODULES = HERE / "node" / "node_modules"
WITHIN_S = 280.0
"""For a client to end: a thousand tasks take a minute and more on a machine with much else to do."""

ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith(("NATS_", "SANCTUARY_"))}
"""No server or context of whoever runs the tests."""


@dataclass(frozen=True)
class Message:
    """What a client received."""

    subject: str
    headers: Mapping[str, Sequence[str]]
    data: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.data)

    def header(self, name: str) -> str | None:
        return self.headers[name][0] if name in self.headers else None


def node() -> str:
    """Return the Node executable; without it nothing here may pass."""
    found = shutil.which("node")
    assert found is not None, "Node is missing; `make interop` needs Node 18 or newer"
    return found


def run(argv: Sequence[str | Path], stdin: bytes = b"") -> bytes:
    """Run a client to its end and return what it printed; AssertionError with its own words where it failed."""
    ended = subprocess.run(
        argv, input=stdin, capture_output=True, timeout=WITHIN_S, env=ENVIRONMENT, check=False, cwd=HERE
    )
    assert ended.returncode == 0, f"{argv[0]} {' '.join(map(str, argv[1:]))}: {ended.stderr.decode()}"
    return ended.stdout


def wait_until(condition: Callable[[], bool], *, within_s: float = 90.0) -> None:
    """Return once `condition` holds; AssertionError where it does not within `within_s`."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come to hold"
        time.sleep(0.02)


def parse(lines: bytes) -> list[Message]:
    """Return the messages that a client printed, one JSON object a line."""
    found = []
    for line in lines.splitlines():
        message = json.loads(line)
        data = base64.b64decode(message["data"] or "")
        found.append(Message(message.get("subject", ""), message.get("headers") or {}, data))
    return found


class Nats:
    """The nats command line, without credentials."""

    def __init__(self, url: str) -> None:
        self._options: list[str | Path] = ["-s", url, "--no-context"]

    def argv(self, *arguments: str | Path) -> list[str | Path]:
        return [NATS_CLI, *self._options, *arguments]

    def run(self, *arguments: str | Path, stdin: bytes = b"") -> str:
        """Run a command and return what it printed on either stream; AssertionError where it failed."""
        ended = subprocess.run(
            self.argv(*arguments),
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=WITHIN_S,
            env={**ENVIRONMENT, "NATS_TIMEOUT": "100s"},
            check=False,
        )
        printed = ended.stdout.decode(errors="replace")
        assert ended.returncode == 0, printed
        return printed

    def publish(self, subject: str, body: bytes, *, reply: str) -> None:
        """`nats pub` with any bytes, from standard input; who is asked answers on `reply`."""
        self.run("pub", "--force-stdin", "--no-templates", "--reply", reply, subject, stdin=body)


def parse_answer(printed: str) -> Message:
    """Return the one answer that `nats req` printed: lines with the time in front are its headers, the rest its body."""
    _, _, answer = printed.partition("Received with rtt ")
    assert answer, printed
    lines = answer.splitlines()[1:]
    headers: dict[str, list[str]] = {}
    while lines and (found := re.match(r"\d\d:\d\d:\d\d (?:([A-Za-z-]+): (.*))?$", lines[0])):
        lines.pop(0)
        if found[1]:
            headers.setdefault(found[1], []).append(found[2])
    return Message("", headers, "\n".join(lines).strip().encode())


class Go:
    """The Go client, as anybody or as the holder of an nkey seed."""

    def __init__(self, url: str, seed: Path | None = None) -> None:
        self._options: list[str | Path] = ["-s", url]
        if seed is not None:
            self._options += ["-nkey", seed]

    def _argv(self, *arguments: str | Path) -> list[str | Path]:
        return [GO_CLIENT, *self._options, *arguments]

    def publish(self, subject: str, body: bytes, *, content_type: str = "") -> None:
        run(self._argv("-content-type", content_type, "pub", subject), body)

    def publish_all(self, subject: str, bodies: Iterable[bytes], *, connections: int) -> None:
        """Publish all at once; no body may hold a line feed."""
        run(self._argv("-lines", "-connections", str(connections), "pub", subject), b"\n".join(bodies))

    def request(self, subject: str, body: bytes = b"", *, wait: str = "250s") -> Message:
        (answer,) = parse(run(self._argv("-wait", wait, "req", subject), body))
        return answer

    def ask_all(self, subject: str, body: bytes = b"", *, within: str) -> list[Message]:
        """Return all answers that arrive `within` a duration in Go's notation."""
        return parse(run(self._argv("-replies", "0", "-wait", within, "req", subject), body))

    def answers(self, subject: str, count: int) -> list[Message]:
        """Ask until just so many answer within a second: on a busy machine somebody may be later than that."""
        found: list[Message] = []

        def all_have() -> bool:
            found[:] = self.ask_all(subject, within="1s")
            return len(found) == count

        wait_until(all_have)
        return found

    @contextmanager
    def listening(self, subject: str, count: int) -> Iterator["Listener"]:
        """Subscribe for `count` messages; on entry the subscription stands."""
        argv = self._argv("-count", str(count), "-wait", f"{WITHIN_S:g}s", "sub", subject)
        # Unbuffered: what has come behind the first line is not to be read with it.
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT, bufsize=0)
        try:
            assert process.stdout is not None
            assert b'"ready"' in process.stdout.readline()
            yield Listener(process)
        finally:
            process.kill()
            process.communicate()

    def result(self, sequence: int) -> Any:
        """Wait for the one result of the task with this number in the ledger, and return it; it brought no id of its own."""
        # `*` stands for the type: that of a subject which can stand in no result's is replaced.
        question = json.dumps({"last_by_subj": f"sanctuary.result.*.seq-{sequence}"}).encode()
        found: list[Message] = []

        def there() -> bool:
            answer = self.request("$JS.API.DIRECT.GET.SANCTUARY_RESULTS", question)
            found[:] = [answer] if answer.header("Status") is None else []
            return bool(found)

        wait_until(there)
        return found[0].json

    def info(self, stream: str) -> Any:
        return json.loads(run(self._argv("info", stream)))

    def view(self, stream: str) -> list[Message]:
        """All that a stream holds now."""
        return parse(run(self._argv("view", stream)))

    def results(self, task_type: str, prefix: str = "") -> list[str]:
        """The subjects of the stored results of a type whose ids begin with `prefix`."""
        begin = f"sanctuary.result.{task_type}.{prefix}"
        return [message.subject for message in self.view("SANCTUARY_RESULTS") if message.subject.startswith(begin)]

    def consumers(self, stream: str) -> set[str]:
        return set(run(self._argv("consumers", stream)).decode().split())


class Listener:
    """A subscription that stands."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def messages(self) -> list[Message]:
        """Wait for as many as were asked for."""
        out, words = self._process.communicate(timeout=WITHIN_S)
        assert self._process.returncode == 0, words.decode()
        return parse(out)
