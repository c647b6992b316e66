"""Groups of commands whose help imports none of them."""

import importlib
from collections.abc import Mapping
from typing import Any

import click

Lines = Mapping[str, tuple[str, str]]
"""By a command's name: its module below `ops.cli`, where it is a function of that name (`_` for `-`), and its line in the help."""


class LazyGroup(click.Group):
    """Lists commands without importing them; takes them as `lazy`."""

    def __init__(self, *args: Any, lazy: Lines, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        """As of click: in the order in which they are to be read."""
        return list(self._lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """As of click: the command, imported now."""
        if cmd_name not in self._lazy:
            return None
        module, _ = self._lazy[cmd_name]
        command = getattr(importlib.import_module(f"ops.cli.{module}"), cmd_name.replace("-", "_"))
        return command if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """As of click: the lines as they were given."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in self._lazy.items()])
