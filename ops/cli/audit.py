"""`sanctuary audit`: the group of the commands that read the ledger."""

import click

from ops.cli.lazy import LazyGroup

COMMANDS = {
    "tail": ("audit_tail", "Print entries as they come."),
    "query": ("audit_query", "The entries that a filter lets through."),
    "show": ("audit_show", "One task or workflow from its beginning to its end."),
    "replay": ("audit_replay", "Drive recorded tasks once more, in another realm, and compare."),
    "check": ("audit_check", "Whether the ledger is whole."),
    "export": ("audit_export", "The ledger as JSON Lines, CloudEvents, OpenTelemetry spans or Parquet."),
    "archive": ("audit_archive", "The ledger into sealed files, and out of the server what it needs no more."),
    "verify": ("audit_verify", "Whether the ledger is what was signed."),
    "proof": ("audit_proof", "Prove what the ledger holds of a task, in a file."),
    "growth": ("audit_growth", "Prove that the ledger only grew since a checkpoint, in a file."),
    "verify-proof": ("audit_verify_proof", "What a proof's file shows, offline."),
    "witness": ("audit_witness", "Cosign checkpoints as long as the history goes on."),
}
"""The help is written here so that showing it imports no command."""


@click.group(cls=LazyGroup, lazy=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
def audit() -> None:
    """Read the ledger: everything that was asked, happened and came of it, in one order."""
