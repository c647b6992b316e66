"""`python -m ops.cli`: the command line without its installed script, as the supervisor starts it."""

from ops.cli.main import main

main(prog_name="sanctuary")
