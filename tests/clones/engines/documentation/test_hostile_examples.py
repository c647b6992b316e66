"""Documents whose blocks harm what runs them: each is told for itself, and what the others do is told all the same."""

import os
import time
from pathlib import Path

import pytest

from clones.engines.documentation.docs.text import read
from clones.engines.documentation.examples import Looked, look, running, steps, supervised
from clones.engines.documentation.examples.told import tell
from clones.engines.documentation.sources import Module
from clones.engines.statements import Lines
from tests.clones.engines.checking import failed
from tests.clones.engines.documentation.test_documents import write


def looked(target: Path, *, budget_s: float = 1000.0) -> Looked:
    lines = Lines(target)
    documents = []
    for path in sorted(target.rglob("*.md")):
        file = path.relative_to(target).as_posix()
        found = read(file, lines.of(file))
        assert found is not None
        document = steps.of_document(file, found, lines.of(file))
        assert document is not None
        documents.append(document)
    own = frozenset({"shop"})
    return look(target, documents, own, lines, lambda *_: None, deadline=time.monotonic() + budget_s)


def blocks(*sources: str) -> str:
    return "\n".join(f"```python\n{source}\n```\n" for source in sources)


def told(found: Looked) -> list[tuple[str, str]]:
    return [(each.outcome, each.reason) for _, outcomes in found.outcomes for each in outcomes]


def test_what_ends_the_process_does_not_take_the_others_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "STEP_S", 60.0)
    target = write(
        tmp_path / "target",
        {
            "README.md": blocks(
                "import os, subprocess, sys, threading, time\nfirst = 1",
                "os._exit(3)",
                "second = first + 1",
                "os.kill(os.getppid(), 9)",
                "os.kill(os.getpid(), 9)",
                "subprocess.run(['sh', '-c', 'for i in $(seq 150); do sleep 60 & done; wait'])",
                "threading.Thread(target=time.sleep, args=(1000,)).start()\nthird = second + 1",
                "if os.fork() == 0:\n    third = 0",
                "while True:\n    os.fork()",
                "sys.exit(2)",
                "assert third == 4, 'seeded'",
            )
        },
    )
    found = told(looked(target))
    refused = "it is not allowed to do something: PermissionError: [Errno 1] what looks after this process is not to be killed"
    assert found == [
        ("ran", ""),
        ("not run", "it ended its process with status 3"),
        ("ran", ""),
        ("not run", refused),
        ("not run", "it ended its process by signal 9"),
        ("not run", "it was stopped: it had more than 100 processes at once"),
        ("ran", ""),
        ("ran", ""),
        ("not run", "it started more processes than it may, or would have waited"),
        ("not run", "it ended the program with an error's status, as programs do that want arguments"),
        ("failed", "AssertionError: seeded"),
    ]


def test_what_does_not_end_is_told_and_those_behind_it_are_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "STEP_S", 4.0)
    endless = "while True:\n    print('x' * 10**6)"
    deaf = "import time\nwhile True:\n    try:\n        time.sleep(60)\n    except BaseException:\n        pass"
    target = write(tmp_path / "target", {"README.md": blocks("a = 1", endless, deaf, "assert a == 2, 'seeded'")})
    assert told(looked(target)) == [
        ("ran", ""),
        ("not run", "it had not ended after 4 s: a server, or what waits for something"),
        ("not run", "it had not ended after 4 s, and could not be interrupted"),
        ("failed", "AssertionError: seeded"),
    ]


def test_a_document_s_files_are_gone_for_the_next_and_none_may_be_endless(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervised, "DISK_BYTES", 10 * 1024**2)
    # slowly: what looks at it may come late
    many = "import time\nfor n in range(900):\n    open(f'f{n}', 'wb').write(bytes(2**20))\n    time.sleep(0.01)\ntime.sleep(60)"
    target = write(
        tmp_path / "target",
        {
            "a.md": blocks("open('one', 'wb').write(bytes(2**25))", many),
            "b.md": blocks("import os, shutil\nshutil.rmtree(os.getcwd())", "os.symlink('/etc', '../target')"),
            "c.md": blocks("import os, shop\nassert sorted(os.listdir()) == ['a.md', 'b.md', 'c.md', 'shop']"),
            "shop/__init__.py": "",
        },
    )
    found = told(looked(target))
    assert found[:2] == [("not run", "it wrote more than it may")] * 2
    assert found[2:] == [("ran", "")] * 3
    assert sorted(path.name for path in target.iterdir()) == ["a.md", "b.md", "c.md", "shop"]


def test_when_the_time_is_used_up_what_was_run_is_told(tmp_path: Path) -> None:
    target = write(tmp_path / "target", {"a.md": blocks("1 + 1"), "b.md": blocks("1 + 1")})
    found = looked(target, budget_s=0.5)
    assert told(found) == [("not run", "the budget was used up")] * 2
    assert not tell(found, Lines(target)).data["complete"]
    assert any("allow more time" in note.reason for note in found.left_out)


def test_names_and_messages_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / os.fsdecode(b"\xff.md")).write_text(
        blocks("raise FileNotFoundError(2, '\\udcff', 'x' * 290 + '/y')", "1 / 0", "{}['\\udcff']")
    )
    reason = f"it wants the file {'x' * 290}/y, which is the reader's"
    assert told(looked(tmp_path / "target")) == [
        ("not run", reason),
        ("failed", "ZeroDivisionError: division by zero"),
        ("failed", r"KeyError: '\udcff'"),
    ]


def test_what_a_document_says_gets_into_no_command(tmp_path: Path) -> None:
    name = "x'; touch ran; echo '"
    source = f"raise type({name!r}, (Exception,), {{}})('a\\nb')"
    session = "```\n>>> print(\"'; touch ran; '`touch ran`$(touch ran)\")\n1\n```\n"
    target = write(tmp_path / "target", {"it's.md": blocks(source) + session})
    lines = Lines(target)
    report = tell(looked(target), lines)
    statements = [statement.plain() for _, statement in report.findings if statement is not None]
    assert [finding.rule for finding, _ in report.findings] == ["example-fails", "example-differs"]
    assert failed(target, statements) == []
    assert [path.name for path in target.iterdir()] == ["it's.md"]


def test_whatever_a_document_makes_of_its_copy_and_home_the_next_is_run(tmp_path: Path) -> None:
    away = "import pathlib, shutil\nh = pathlib.Path.home().parent\nshutil.rmtree(h)\nh.write_text('x')"
    deep = "import os\nfor i in range(3000):\n    os.mkdir('d')\n    os.chdir('d')"
    closed = "import os\nos.makedirs('in/side')\nos.chmod('in', 0)\nos.chdir('/')\nos.chmod(os.path.expanduser('~'), 0)"
    other = "import os, shutil\nc = os.getcwd()\nshutil.rmtree(c)\nopen(c, 'w').close()"
    set_back = "import os\ns = os.stat('shop.py')\nopen('shop.py', 'r+').write('b')\nos.utime('shop.py', ns=(0, s.st_mtime_ns))"
    whole = "import os\nassert sorted(os.listdir()) == FILES and os.listdir(os.path.expanduser('~')) == []\nimport shop"
    files = {"a.md": away, "b.md": deep, "c.md": closed, "d.md": other, "e.md": set_back}
    whole = whole.replace("FILES", repr([*files, "shop.py"]))
    target = write(
        tmp_path / "target",
        {"shop.py": "a = 1\n"} | {name: blocks(whole + "\nassert shop.a", source) for name, source in files.items()},
    )
    assert told(looked(target)) == [("ran", "")] * 10


def test_where_no_copy_is_left_what_was_run_is_kept_and_the_others_say_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "all").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "all"))
    lost = f"import shutil\nshutil.rmtree({str(tmp_path / 'all')!r})"
    target = write(tmp_path / "target", {"a.md": blocks("a = 1", lost, "1 / 0"), "b.md": blocks("1 + 1")})
    found = told(looked(target))
    assert found[:2] == [("ran", "")] * 2
    assert [outcome for outcome, _ in found[2:]] == ["not run"] * 2
    assert all(reason.startswith("what ran before it left no copy") for _, reason in found[2:])


WRITE = """import json, os
def told(event, number, chain=()):
    kept = dict.fromkeys(("name", "message", "where", "missing", "near", "path"), "N" * 10**5)
    flags = dict.fromkeys(("direct", "stated", "reached", "started"), False)
    error = {**kept, **flags, "kinds": ["Exception"], "line": 10**30, "chain": chain, "number": None}
    end = {"late": False, "printed": "", "error": error} if event == "end" else {}
    for fd in range(3, 10):
        try:
            os.write(fd, json.dumps({"event": event, "number": number, **end}).encode() + b"\\n")
        except OSError:
            pass
"""


def test_what_a_block_writes_in_its_runner_s_name_is_short_and_earns_it_no_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "STEP_S", 4.0)
    deaf = (
        "import time\nwhile True:\n    try:\n        time.sleep(0.5)\n        told('begin', 0)\n        told('begin', 2)\n"
        "        told('end', 0)\n        told('finish', 0)\n    except BaseException:\n        pass"
    )
    name = "raise ModuleNotFoundError('No module', name='A' * 10**7)"
    target = write(tmp_path / "target", {"a.md": blocks(WRITE, "told('end', 1, ['x'])", deaf, name)})
    found = told(looked(target))
    assert [outcome for outcome, _ in found] == ["ran", "failed", "not run", "not run"]
    assert found[2][1] == "it had not ended after 4 s, and could not be interrupted"
    assert max(len(reason) for _, reason in found) < 1000


def test_a_module_that_cannot_be_imported_is_imported_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "STEP_S", 4.0)
    session = 'def {}():\n    """Do.\n\n    >>> 1\n    1\n    """\n\n\n'
    deaf = "import time\nwhile True:\n    try:\n        time.sleep(60)\n    except BaseException:\n        pass\n"
    counted = "import sys\nsys.tries = getattr(sys, 'tries', 0) + 1\n{}[sys.tries]\n"
    sessions = session.format("a") + session.format("b")
    target = write(tmp_path / "target", {"deaf.py": sessions + deaf, "counted.py": sessions + counted})
    lines = Lines(target)
    modules = [Module(name=name, file=f"{name}.py") for name in ("counted", "deaf")]
    documents = [document for each in modules if (document := steps.of_module(each, lines)) is not None]
    own = frozenset({"deaf", "counted"})
    found = told(look(target, documents, own, lines, lambda *_: None, deadline=time.monotonic() + 1000.0))
    reason = "it had not ended after 4 s, and could not be interrupted"
    assert found == [("failed", "KeyError: 1")] * 2 + [("not run", reason)] * 2


def test_a_class_of_the_document_s_own_and_a_group_are_seen_again(tmp_path: Path) -> None:
    made = (
        "class E(Exception):\n    pass\ndef one():\n    raise E(1)\ndef more():\n    raise ExceptionGroup('g', [E(1)])"
    )
    target = write(
        tmp_path / "target", {"a.md": blocks(made) + "\n" * 9 + blocks("one()") + "\n" * 9 + blocks("more()")}
    )
    report = tell(looked(target), Lines(target))
    statements = [statement.plain() for _, statement in report.findings if statement is not None]
    assert [statement["expected"] for statement in statements] == ["E", "ExceptionGroup"]
    assert failed(target, statements) == []


def test_behind_what_is_looked_after_no_more_nothing_is_run(tmp_path: Path) -> None:
    kill = "import os, subprocess, time\nsubprocess.run(['kill', '-9', str(os.getppid())])\ntime.sleep(30)"
    target = write(tmp_path / "target", {"a.md": blocks("a = 1", kill, "b = 1"), "b.md": blocks("c = 1")})
    reason = "a block before it killed the process that looks after it, so what that started may still run"
    assert told(looked(target)) == [
        ("ran", ""),
        ("not run", "it killed the process that looks after it"),
        ("not run", reason),
        ("not run", reason),
    ]


def test_what_is_written_at_home_counts_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervised, "DISK_BYTES", 10 * 1024**2)
    monkeypatch.setattr(running, "STEP_S", 60.0)
    many = "import pathlib, time\nfor n in range(20):\n    (pathlib.Path.home() / str(n)).write_bytes(bytes(2**20))\ntime.sleep(50)"
    target = write(tmp_path / "target", {"a.md": blocks(many)})
    assert told(looked(target)) == [("not run", "it wrote more than it may")]
