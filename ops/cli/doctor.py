"""`sanctuary doctor`: is everything here that is needed, and what to do where it is not."""

import click

from ops.cli.options import FAILED, json_option, print_json, run, where_options
from ops.cli.text import clean
from ops.connect import Where

COLOURS = {"ok": "green", "note": "yellow", "wrong": "red"}


@click.command()
@where_options
@json_option
def doctor(where: Where, *, as_json: bool) -> None:
    """Check this installation and the network, and say what to do. Exits with 1 when something is wrong."""
    run(_doctor(where, as_json=as_json))


async def _doctor(where: Where, *, as_json: bool) -> int:
    import asyncio
    import logging

    from ops.doctor.installation import check_installation
    from ops.doctor.network import check_network

    # What cannot be reached is told as a check.
    logging.getLogger("bus").setLevel(logging.CRITICAL)
    checks = await asyncio.to_thread(lambda: list(check_installation(where.store)))
    checks += [check async for check in check_network(where)]
    if as_json:
        print_json({"checks": checks, "ok": all(check.verdict != "wrong" for check in checks)})
    else:
        for check in checks:
            verdict = click.style(f"{check.verdict:<5}", fg=COLOURS[check.verdict], bold=check.verdict == "wrong")
            click.echo(f"{verdict} {check.name:<13} {clean(check.found)}")
            if check.advice:
                click.echo(f"{'':<19} -> {clean(check.advice)}")
    return FAILED if any(check.verdict == "wrong" for check in checks) else 0
