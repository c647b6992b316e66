"""`sanctuary audit`: the group of the commands that read the ledger."""

import click

from ops.cli.lazy import LazyGroup

COMMANDS = {
    "tail": ("audit_tail", "Print entries as they come."),
    "show": ("audit_show", "One task or workflow from its beginning to its end."),
    "check": ("audit_check", "Whether the ledger is whole."),
    "archive": ("audit_archive", "The ledger into sealed files, and out of the server what it needs no more."),
    "verify": ("audit_verify", "Whether the ledger is what was signed."),
}
"""The help is written here so that showing it imports no command."""


@click.group(cls=LazyGroup, lazy=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
def audit() -> None:
    """Read the ledger: everything that was asked, happened and came of it, in one order."""
