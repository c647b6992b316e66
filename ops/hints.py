"""Command lines that a person may copy: for the network that this command was told of, whatever an id begins with."""

import shlex
from collections.abc import Iterator

import click
from click.core import ParameterSource

WHERE = ("server", "context", "store", "realm")
"""The options that say which network is meant."""


def command_line(words: str, *arguments: str, options: str = "") -> str:
    """Return a command line of ours: `sanctuary task show ID --store DIR`.

    What this command's own line said about the network is said in it too; what its environment said holds for both.
    """
    said = [part for part in (options, *_where()) if part]
    if any(argument.startswith("-") for argument in arguments):
        # Behind `--` nothing is an option.
        return " ".join(["sanctuary", words, *said, "--", *arguments])
    return " ".join(["sanctuary", words, *arguments, *said])


def _where() -> Iterator[str]:
    context = click.get_current_context(silent=True)
    for name in WHERE if context is not None else ():
        if context is not None and context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            yield f"--{name} {shlex.quote(str(context.params[name]))}"
