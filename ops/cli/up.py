"""`sanctuary up`: the whole network on this machine."""

import asyncio
import signal
from typing import Any

import click

from ops.cli.options import clone_options, loaded_model, log_option, run, verbose_option, where_options
from ops.connect import Where

sync_option = click.option(
    "--sync",
    "durability",
    type=click.Choice(["100ms", "always"]),
    default="100ms",
    show_default=True,
    help="When the server calls fsync.",
)


@click.command()
@where_options
@clone_options
@verbose_option
@log_option
@sync_option
@click.option(
    "--port",
    type=click.IntRange(-1, 65535),
    default=4222,
    show_default=True,
    help="Where the server listens; -1: a free port.",
)
@click.option(
    "--metrics-port",
    type=click.IntRange(0, 65530),
    default=0,
    show_default=True,
    help="First of six ports for Prometheus metrics; 0: free ones, see `sanctuary status`.",
)
def up(where: Where, **rest: Any) -> None:
    """Start the network here: a NATS server (unless one is named), Omega, the four clones and the notary.

    Stops on Ctrl-C or SIGTERM, once running tasks are done or handed back. Data stay in --store.
    """
    from ops.logs import configure

    configure("up", verbose=rest["verbose"], log_format=rest["log_format"])
    # Each clone loads its own and looks for its server; what is wrong with the file is told here, before anything is started.
    loaded_model(rest["model"], look=False)
    run(_up(where, rest))


async def _up(where: Where, rest: dict[str, Any]) -> None:
    from ops.local import LocalOptions, local_network

    rest["workspace"] = rest["workspace"].resolve()
    rest["roots"] = tuple(root.resolve() for root in rest["roots"])
    with stopped_by_signals():
        async with local_network(LocalOptions(where=where, **rest), say) as network:
            say(f"ready at {network.url}; stop with Ctrl-C")
            if network.server is not None:
                say("hand it a task:   " + example(where, network.url))
                say(f"operate it:       sanctuary status{_store_option(where)}")
            await asyncio.Event().wait()


class stopped_by_signals:  # noqa: N801  used like a function, as contextlib.suppress is
    """Cancel what runs inside at the first SIGTERM or SIGINT, and leave quietly; later ones do not disturb the stopping."""

    def __enter__(self) -> None:
        self._task = asyncio.current_task()
        self._caught = False
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._on_signal)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().remove_signal_handler(number)
        if not (self._caught and isinstance(error, asyncio.CancelledError)):
            return False
        say("stopped")
        return True

    def _on_signal(self) -> None:
        if not self._caught and self._task is not None:
            self._caught = True
            say("stopping")
            self._task.cancel()


def say(text: str) -> None:
    """Tell the person at the terminal what happens."""
    click.echo(click.style("sanctuary ", fg="cyan", bold=True) + text, err=True)


def example(where: Where, url: str) -> str:
    """Return a command that submits a task to a server here."""
    option = "" if url.endswith(":4222") else f" -s {url}"
    return f'nats pub{option} {where.realm}.task.security \'{{"params":{{"target":"."}}}}\''


def _store_option(where: Where) -> str:
    from ops.connect import default_store

    return "" if where.store == default_store() else f" --store {where.store}"
