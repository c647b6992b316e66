"""Command lines to copy mean the network that was meant, and what they name."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from ops.cli.decide import decide
from ops.cli.options import where_options
from ops.connect import Where
from ops.hints import command_line


def told(*arguments: str, environment: dict[str, str] | None = None, of: str = "r1") -> str:
    """Return the hint that a command gives which was called so."""

    @click.command()
    @where_options
    def look(where: Where) -> None:
        click.echo(command_line("decide", of, "go", "approve|reject", options="--comment '…'"))

    done = CliRunner().invoke(
        look, arguments, env={"SANCTUARY_STORE": None, "SANCTUARY_REALM": None, **(environment or {})}
    )
    assert done.exit_code == 0, done.output
    return done.output.strip()


def test_a_hint_names_the_network_that_the_command_was_told_of(tmp_path: Path) -> None:
    short = "sanctuary decide r1 go approve|reject --comment '…'"
    assert told() == short
    assert told("--store", "the store") == f"{short} --store 'the store'"
    assert told("-s", "nats://a:1", "--realm", "r") == f"{short} --server nats://a:1 --realm r"


def test_what_the_environment_says_holds_for_the_next_command_too() -> None:
    assert "--store" not in told(environment={"SANCTUARY_STORE": "/data"})


def test_an_id_that_looks_like_an_option_is_none() -> None:
    assert told("--store", "s", of="-r1") == "sanctuary decide --comment '…' --store s -- -r1 go approve|reject"


def test_there_are_hints_outside_of_commands_too() -> None:
    assert command_line("task show", "t") == "sanctuary task show t"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("aprove",), "'aprove' is neither approve nor reject (did you mean approve?)"),
        (("approve", "go"), "the verdict comes last: sanctuary decide ID [STEP] approve|reject"),
        (("go", "approve", "well", "done"), "a comment goes with --comment"),
    ],
)
def test_what_decides_nothing_is_told_why(words: tuple[str, ...], why: str) -> None:
    refused = CliRunner().invoke(decide, ["r1", *words])
    assert refused.exit_code == 2
    assert why in refused.output
