"""`sanctuary`: the group of all commands."""

import click

from ops.cli.lazy import LazyGroup

COMMANDS = {
    "up": ("up", "Start the network here: server, Omega, the four clones, the notary."),
    "omega": ("daemon", "Run Omega, which coordinates."),
    "clone": ("daemon", "Run one clone, built in or of your own."),
    "notary": ("notary", "Run the notary, which signs what the ledger holds."),
    "submit": ("tasks", "Store a task and print its id."),
    "call": ("tasks", "Submit a task and print its result."),
    "review": ("review", "Review a project with all clones and write the report."),
    "workflow": ("workflow", "Run, show, list, cancel or resume workflows."),
    "decide": ("decide", "Approve or reject what a workflow waits for."),
    "schedule": ("schedule", "Start workflows at certain times."),
    "task": ("task", "Show, list, cancel or recover tasks."),
    "status": ("status", "Who is there and how it fares."),
    "routes": ("routes", "Show and change who serves which task type."),
    "audit": ("audit", "Read the ledger."),
    "ask": ("ask", "Answer a question from code, documents, past results and decisions."),
    "trends": ("trends", "Show how a target's tests went over its past tasks."),
    "report": ("report", "Write a notice, release note, escalation or hand-over from results."),
    "osv": ("osv", "Take in the advisories that dependencies are held against."),
    "schema": ("schema", "Export the messages' JSON Schema."),
    "bench": ("bench", "Measure against raw nats-py."),
    "doctor": ("doctor", "Check this installation and the network."),
}
"""The help is written here so that showing it imports no command."""


@click.group(
    cls=LazyGroup, lazy=COMMANDS, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120}
)
@click.version_option(package_name="sanctuary-bus", prog_name="sanctuary")
def main() -> None:
    """Durable tasks on NATS for a network of specialised agent daemons.

    \b
    sanctuary up                        start everything on this machine
    sanctuary review .                  review a project with all clones
    nats pub sanctuary.task.security '{"params":{"target":"."}}'
    """  # noqa: D301  click reads the backspace as "keep these lines"
