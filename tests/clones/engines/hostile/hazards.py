"""Targets that a stranger made to do harm, each written below an empty directory at run time.

Each builder gets the target, which holds a small project already, and a directory outside it, which holds what no engine may
read or change: `WORD` stands in all its files.
"""

import contextlib
import os
import socket
import stat
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

WORD = "canary-7Q2x"
"""What stands outside the target, and in no output of an engine."""
LARGE_BYTES = 100 * 1024 * 1024
DEEP = 20_000

Builder = Callable[[Path, Path], None]

_PROJECT = {
    "README.md": "# Pkg\n\nAdds two numbers, and nothing else at all.\n",
    "pyproject.toml": '[project]\nname = "pkg"\nversion = "1.0"\n',
    "pkg/__init__.py": '"""Adds."""\n\nfrom pkg.core import add\n\n__all__ = ["add"]\n',
    "pkg/core.py": '"""Adds."""\n\n\ndef add(a: int, b: int = 2) -> int:\n    """Add."""\n    return a + b if b else a\n',
    "tests/test_core.py": "from pkg.core import add\n\n\ndef test_add() -> None:\n    assert add(1) == 3\n",
}
_GIT = ("git", "-c", "user.name=T", "-c", "user.email=t@example.invalid", "-c", "init.defaultBranch=main")


def write_project(target: Path) -> None:
    """Write the small project that every hostile target is."""
    _write(target, _PROJECT)


def write_outside(outside: Path) -> None:
    """Write what lies beside the target."""
    _write(
        outside,
        {
            "secret.py": f'"""{WORD}."""\n\n\ndef leaked_{WORD.replace("-", "_")}():\n    eval(input())\n',
            "README.md": f"# {WORD}\n\nWhat stands here is nobody's business at all.\n",
            "pyproject.toml": f'[project]\nname = "{WORD}"\n[project.scripts]\nx = "{WORD}:main"\n',
            "setup.cfg": f"[metadata]\nname = {WORD}\n",
            "notes.txt": f"{WORD}\n",
        },
    )


def links(target: Path, outside: Path) -> None:
    """Make links in circles, links that double with each level, and links out of the target under names that engines look for."""
    (target / "pkg/around").symlink_to("..")
    (target / "pkg/self.py").symlink_to("self.py")
    (target / "one").symlink_to("two")
    (target / "two").symlink_to("one")
    (target / "pkg/gone.py").symlink_to("nowhere.py")
    (target / "pkg/zero.py").symlink_to("/dev/zero")
    (target / "everything").symlink_to("/")
    (target / "pkg/outside").symlink_to(outside)
    (target / "pkg/secret.py").symlink_to(outside / "secret.py")
    (target / "setup.py").unlink(missing_ok=True)
    (target / "setup.py").symlink_to("/dev/zero")
    for name in ("README.md", "pyproject.toml", "setup.cfg"):
        (target / name).unlink(missing_ok=True)
        (target / name).symlink_to(outside / name)
    place = target / "pkg"
    for _ in range(30):  # whoever follows these comes to a billion files
        place = place / "deep"
        place.mkdir()
        (place / "deep2").symlink_to("deep")
        (place / "deep3").symlink_to("deep")
    for name in ("requirements.txt", "CHANGES.txt", "LICENSE", "Dockerfile", "package-lock.json", "tests/test_more.py"):
        (target / name).unlink(missing_ok=True)
        (target / name).symlink_to(outside / "notes.txt")


def large_files(target: Path, outside: Path) -> None:
    """Make files of `LARGE_BYTES`, without taking the disk."""
    for name in ("pkg/large.py", "large.md", "large.txt", "package-lock.json", "poetry.lock", "tests/test_large.py"):
        with (target / name).open("wb") as file:
            file.truncate(LARGE_BYTES)


def large_settings(target: Path, outside: Path) -> None:
    """Write settings of several megabytes each."""
    rows = "".join(f'option_{number} = "{number}"\n' for number in range(120_000))
    _write(
        target,
        {
            "pyproject.toml": f'[project]\nname = "pkg"\nversion = "1"\n[tool.large]\n{rows}',
            "setup.cfg": f"[metadata]\nname = pkg\n[large]\n{rows}",
            "tox.ini": f"[tox]\n{rows}",
            "conftest.py": f"import os\n{rows}",
            "tests/conftest.py": rows,
            "requirements.txt": "".join(f"package-{number}==1.{number}\n" for number in range(120_000)),
            ".gitignore": "".join(f"*.{number}\n" for number in range(120_000)),
        },
    )


def deep_python(target: Path, outside: Path) -> None:
    """Write expressions and statements that are nested as deep as Python parses them, and deeper."""
    _write(
        target,
        {
            "pkg/sum.py": f"x = {' + '.join(['1'] * DEEP)}\n",
            "pkg/names.py": f"def f(a):\n    return a{'.b' * DEEP}\n",
            "pkg/calls.py": f"def f(a):\n    return a{'()' * DEEP}\n",
            "pkg/minus.py": f"x = {'-' * DEEP}1\n",
            "pkg/parens.py": f"x = {'(' * DEEP}1{')' * DEEP}\n",
            "pkg/lists.py": f"x = {'[' * 150}{']' * 150}\n",
            "pkg/medium.py": f"def g(a):\n    return {' + '.join(['a'] * 900)}\n",
            "pkg/elif.py": "def f(a):\n    if a:\n        pass\n" + "    elif a:\n        pass\n" * 3000,
            "pkg/blocks.py": "".join(f"{' ' * depth}if x:\n" for depth in range(95)) + " " * 95 + "pass\n",
            "pkg/defs.py": "".join(f"{' ' * depth}def f():\n" for depth in range(95)) + " " * 95 + "pass\n",
            "pkg/classes.py": "".join(f"{' ' * depth}class C:\n" for depth in range(95)) + " " * 95 + "pass\n",
            "pkg/hint.py": f"def f(a: {'list[' * 150}int{']' * 150}) -> None:\n    pass\n",
            "setup.py": f"setup(entry_points={' + '.join(['a'] * DEEP)})\n",
        },
    )


def deep_directories(target: Path, outside: Path) -> None:
    """Make packages in packages, a hundred deep, and plain directories up to the longest path."""
    place = target / "pkg"
    for _ in range(100):
        place = place / "p"
        _write(place, {"__init__.py": "", "m.py": "def f():\n    return 1\n"})
    place = target / "docs"
    while len(os.fsencode(place)) < 3500:
        place = place / ("d" * 50)
    _write(place, {"page.md": "# Deep\n\nThis page is very far below.\n", "m.py": "x = 1\n"})


def deep_data(target: Path, outside: Path) -> None:
    """Write JSON, TOML, YAML and Markdown that are nested deeper than any reader goes."""
    laughs = "a0: &a0 [x, x]\n" + "".join(
        f"a{number}: &a{number} [{', '.join([f'*a{number - 1}'] * 9)}]\n" for number in range(1, 12)
    )
    _write(
        target,
        {
            "package-lock.json": "[" * DEEP,
            "composer.lock": '{"a":' * DEEP,
            "openapi.json": "[" * DEEP + "]" * DEEP,
            "pyproject.toml": f'[project]\nname = "pkg"\nx = {"[" * DEEP}{"]" * DEEP}\n',
            "poetry.lock": f"x = {'{a = ' * DEEP}1{'}' * DEEP}\n",
            "uv.lock": f"{'a.' * DEEP}b = 1\n",
            "docker-compose.yml": f"services: {'[' * DEEP}\n",
            ".github/workflows/ci.yml": f"on: push\njobs: {'{a: ' * 5000}1{'}' * 5000}\n",
            ".github/workflows/laughs.yml": f"on: push\n{laughs}",
            "pnpm-lock.yaml": laughs,
            "docs/quotes.md": f"# Quotes\n\n{'> ' * DEEP}x\n",
            "docs/brackets.md": f"# Brackets\n\n{'[' * DEEP}{']' * DEEP}{'(' * DEEP}\n",
            "docs/stars.md": f"# Stars\n\n{'*a **b ' * DEEP}\n",
            "docs/list.md": "# List\n\n" + "".join(f"{' ' * depth}- a\n" for depth in range(1000)),
            "docs/table.md": f"|{'a|' * DEEP}\n|{'-|' * DEEP}\n",
            "README.rst": f"{'`' * DEEP}\n\n{'*' * DEEP}x\n\n{'(' * DEEP}\n",
        },
    )


def not_utf8(target: Path, outside: Path) -> None:
    """Write contents and names that are no UTF-8, and null characters."""
    bad = b"\xff\xfe\x00\x80 caf\xe9\n"
    for file in [
        "pkg/bad.py",
        "bad.md",
        "bad.txt",
        "setup.cfg",
        "tox.ini",
        "requirements.txt",
        "Dockerfile",
        "setup.py",
    ]:
        (target / file).write_bytes(bad)
    (target / "pyproject.toml").write_bytes(b'[project]\nname = "caf\xe9"\n')
    (target / "package-lock.json").write_bytes(b'{"name": "' + bad + b'"}')
    (target / "pkg/null.py").write_bytes(b"x = 1\0\n")
    (target / "pkg/cookie.py").write_bytes(b"# coding: no-such-encoding\nx = 1\n")
    (target / "pkg/rot.py").write_bytes(b"# coding: rot13\nk = 1\n")
    (target / "pkg/utf7.py").write_bytes(b"# coding: utf-7\n+AGU-val(input())\n")
    for name in (b"caf\xe9.py", b"caf\xe9.md", b"\xff\xff"):
        with contextlib.suppress(OSError):  # macOS takes no such names
            (target / "pkg" / os.fsdecode(name)).write_bytes(b'"""Adds."""\n')
    with contextlib.suppress(OSError):
        _write(target / os.fsdecode(b"d\xe9"), {"__init__.py": "", "m.py": "def f():\n    pass\n"})


_NAMES = (
    "a\nb",
    "$(touch PWNED)",
    "`touch PWNED`",
    "x; touch PWNED;",
    "x' 'y\"z",
    "-rf",
    "--help",
    "@args",
    "\x1b[31mred\x1b]0;title\x07",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "](javascript:alert(1))",
    "{{ 7*7 }}%s{0}",
    "\u202egnp",
    " ",
    "...",
    "a\tb\rc",
    "*",
)


def names(target: Path, outside: Path) -> None:
    """Give files and directories names with line ends, terminal escapes, shell words and markup."""
    code = 'def f():\n    """Do <script>alert(2)</script>."""\n    eval(input())  # TODO: <script>alert(3)</script>\n'
    for name in _NAMES:
        parts = name.replace("/", "\u2215")
        _write(
            target,
            {
                f"pkg/{parts}.py": code,
                f"tests/test_{parts}.py": "def test_f():\n    pass\n",
                f"docs/{parts}.md": f"# <script>alert(4)</script> {parts}\n\nThis is <script>alert(5)</script> a page.\n",
                f"pkg/{parts}/__init__.py": code,
                f".github/workflows/{parts}.yml": "on: push\njobs: {}\n",
                f"{parts}/requirements.txt": "django==1.0\n",
            },
        )


def special_files(target: Path, outside: Path) -> None:
    """Put pipes, sockets and devices where engines look for files: whoever opens a pipe to read it waits for ever."""
    names = (
        "pyproject.toml setup.cfg setup.py tox.ini pytest.ini conftest.py .coveragerc README.md requirements.txt poetry.lock "
        "uv.lock package-lock.json Dockerfile .importlinter .gitignore .github/workflows/ci.yml pkg/pipe.py docs/page.md "
        "tests/test_pipe.py .sanctuary-accepted.toml .sanctuary-baseline.sarif CHANGELOG.md mkdocs.yml go.mod version.py "
        ".gitattributes"
    )
    for name in names.split():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        os.mkfifo(path)
    here = Path.cwd()
    os.chdir(target / "pkg")  # a socket's path may have a hundred characters
    try:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind("socket.py")
    finally:
        os.chdir(here)
    with contextlib.suppress(OSError):  # for root alone
        os.mknod(target / "pkg/zero.py", 0o644 | stat.S_IFCHR, os.makedev(1, 5))


def unreadable(target: Path, outside: Path) -> None:
    """Take away the right to read files and directories; it takes nothing from root."""
    _write(target, {"pkg/closed/__init__.py": "", "pkg/locked.py": "x = 1\n", "docs/locked.md": "# A page\n"})
    for name in ("pkg/locked.py", "docs/locked.md", "pyproject.toml", "pkg/closed"):
        (target / name).chmod(0)


def git_settings(target: Path, outside: Path) -> None:
    """Make a repository whose settings, hooks and attributes start a program that leaves a mark outside."""
    mark = f"touch {outside}/PWNED; cat"
    script = target / "run.sh"
    script.write_text(f"#!/bin/sh\n{mark}\n")
    script.chmod(0o755)
    (target / ".gitattributes").write_text("*.py diff=evil filter=evil merge=evil\n* diff=evil\n")
    _git(target, "init", "-q")
    _git(target, "add", ".")
    _git(target, "commit", "-q", "-m", "feat: add <script>alert(6)</script>\n\n\x1b[31mred")
    _git(target, "tag", "v1")
    (target / "pkg/core.py").write_text(_PROJECT["pkg/core.py"] + "\n\ndef more():\n    pass\n")
    _git(target, "commit", "-q", "-am", "fix: $(touch PWNED)")
    (target / "pkg/core.py").write_text(_PROJECT["pkg/core.py"])
    for hook in ("post-checkout", "pre-commit", "reference-transaction", "post-index-change", "fsmonitor-watchman"):
        (target / ".git/hooks" / hook).write_text(f"#!/bin/sh\n{mark}\n")
        (target / ".git/hooks" / hook).chmod(0o755)
    settings = {
        **{
            f"core.{name}": str(script)
            for name in ["fsmonitor", "pager", "editor", "sshCommand", "askPass", "gitProxy"]
        },
        **{f"filter.evil.{name}": str(script) for name in ("clean", "smudge", "process")},
        **{f"diff.evil.{name}": str(script) for name in ("command", "textconv")},
        **{f"pager.{name}": str(script) for name in ("log", "diff", "status", "show")},
        "filter.evil.required": "true",
        "diff.external": str(script),
        "gpg.program": str(script),
        "log.showSignature": "true",
        "core.hooksPath": str(target / ".git/hooks"),
        "credential.helper": str(script),
        "uploadpack.packObjectsHook": str(script),
        "alias.log": f"!{script}",
        "trailer.x.command": str(script),
        "submodule.sub.url": f"ext::{script}",
        "submodule.sub.update": f"!{script}",
    }
    for name, value in settings.items():
        _git(target, "config", name, value)


def git_elsewhere(target: Path, outside: Path) -> None:
    """Point the target's `.git` at a repository outside."""
    other = outside / "other"
    _write(other, {"a.py": "x = 1\n"})
    _git(other, "init", "-q")
    _git(other, "add", ".")
    _git(other, "commit", "-q", "-m", f"feat: {WORD}")
    _git(other, "tag", f"v-{WORD}")
    (target / ".git").write_text(f"gitdir: {other}/.git\n")


def calls_home(target: Path, outside: Path) -> None:
    """Write code that leaves a mark outside, under all the names that something might run or import of its own accord."""
    code = f'from pathlib import Path\n\nPath("{outside}/PWNED").touch()\n'
    hooked = (
        "setup.py conftest.py sitecustomize.py usercustomize.py noxfile.py docs/conf.py manage.py json.py ast.py griffe.py "
        "yaml.py msgspec.py bandit.py clones/__init__.py pkg/plugin.py tests/conftest.py pkg/__main__.py pkg/loud.py evil.py"
    )
    _write(target, dict.fromkeys(hooked.split(), code))
    _write(
        target,
        {
            "evil.pth": f"import pathlib; pathlib.Path('{outside}/PWNED').touch()\n",
            "ruff.toml": f'extend = "{outside}/ruff.toml"\ncache-dir = "{outside}/PWNED"\n',
            ".bandit": "[bandit]\nskips = B307\n",
            "mypy.ini": "[mypy]\nplugins = evil\n",
            "pytest.ini": "[pytest]\naddopts = -p evil\n",
            ".pre-commit-config.yaml": "repos: []\n",
            "Makefile": f"X := $(shell touch {outside}/PWNED)\n",
            "package.json": f'{{"scripts": {{"preinstall": "touch {outside}/PWNED"}}}}\n',
            "pyproject.toml": '[project]\nname = "pkg"\nversion = "1"\n'
            '[tool.importlinter]\nroot_package = "pkg"\ncontract_types = ["evil: evil.Contract"]\n'
            '[[tool.importlinter.contracts]]\nname = "x"\ntype = "evil"\n',
        },
    )


HAZARDS: Mapping[str, Builder] = {
    build.__name__: build
    for build in (
        *(links, large_files, large_settings, deep_python, deep_directories, deep_data, not_utf8, names),
        *(special_files, unreadable, git_settings, git_elsewhere, calls_home),
    )
}


def _write(directory: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="")


def _git(directory: Path, *arguments: str) -> None:
    subprocess.run([*_GIT, *arguments], cwd=directory, check=True, capture_output=True)
