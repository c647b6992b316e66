"""The command line starts quickly: a command imports what it needs, and none imports what only the clones need."""

import subprocess
import sys

import pytest

from ops.cli.main import COMMANDS, main

HEAVY = (
    "autogen_core",
    "pandas",
    "numpy",
    "bandit",
    "grimp",
    "pyinstrument",
    "lizard",
    "griffe",
    "interrogate",
    "coverage",
    "pytest",
)
"""What only engines and their runtime need."""


def imported_by(*arguments: str) -> set[str]:
    """The modules that are loaded once the command has printed its help."""
    code = (
        "import sys\nfrom ops.cli.main import main\nmain(sys.argv[1:], standalone_mode=False)\n"
        "print('\\n'.join(sys.modules), file=sys.stderr)"
    )
    argv = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=90, check=True)
    return set(done.stderr.splitlines())


def test_the_help_of_all_imports_no_command_and_little_else() -> None:
    loaded = imported_by("--help")
    assert not {name for name in loaded if name.split(".")[0] in ("nats", "msgspec", "rich", "bus", "clones")}
    # What it loads is what it takes: click and what that needs of the standard library are about 110 modules.
    assert len(loaded) < 150


@pytest.mark.parametrize("command", ["up", "omega", "clone", "review"])
def test_what_starts_others_and_waits_imports_no_nats_either(command: str) -> None:
    loaded = imported_by(command, "--help")
    assert f"ops.cli.{COMMANDS[command][0]}" in loaded
    assert not {name.split(".")[0] for name in loaded} & {*HEAVY, "rich", "nats", "prometheus_client"}
    assert not {name for name in loaded if name.startswith("clones.engines")}


@pytest.mark.parametrize(
    "command",
    ["submit", "call", "workflow", "decide", "task", "status", "routes", "audit", "ask", "report", "schema", "doctor"],
)
def test_no_command_imports_engines_or_tables_before_it_needs_them(command: str) -> None:
    loaded = imported_by(command, "--help")
    roots = {name.split(".")[0] for name in loaded}
    assert f"ops.cli.{COMMANDS[command][0]}" in loaded
    assert not roots & {*HEAVY, "rich"}
    assert not {name for name in loaded if name.startswith("clones.engines")}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_in_the_help_exists(command: str) -> None:
    found = main.get_command(None, command)  # type: ignore[arg-type]  # the context is not used
    assert found is not None
    assert found.name == command
    assert found.help
