"""`sanctuary workflow`: what Omega has done by many clones."""

import click

from ops.cli import steering, workflow_definitions, workflow_graph, workflow_running, workflow_shown


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def workflow() -> None:
    """Run workflows, see how they fare, and say what is to become of them."""


for command in (
    workflow_running.run_,
    workflow_shown.list_,
    workflow_shown.show_,
    workflow_graph.graph,
    steering.cancel_workflow,
    workflow_running.resume,
    workflow_running.retry,
    workflow_shown.history,
    workflow_definitions.definitions,
    workflow_definitions.check,
    workflow_definitions.put_,
):
    workflow.add_command(command)
