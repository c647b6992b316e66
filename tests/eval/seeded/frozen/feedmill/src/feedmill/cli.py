"""The command line."""

import argparse
import logging
import sys
from pathlib import Path

from feedmill import fetch, gate, load, query


def parser() -> argparse.ArgumentParser:
    """Commands and their arguments."""
    top = argparse.ArgumentParser(prog="feedmill", description=__doc__)
    top.add_argument("--verbose", action="store_true")
    commands = top.add_subparsers(required=True)

    fetching = commands.add_parser("fetch", help="get what partners have sent")
    fetching.add_argument("how", choices=["imap", "ftp", "url"])
    fetching.add_argument("where")
    fetching.set_defaults(run=lambda given: fetch.FETCHERS[given.how](given.where))

    loading = commands.add_parser("load", help="load a feed")
    loading.add_argument("file", type=Path)
    loading.add_argument("--mapping", type=Path)
    loading.set_defaults(run=lambda given: load.load(given.file, given.mapping))

    asking = commands.add_parser("query", help="what the portal's pages ask")
    query.arguments(asking)
    asking.set_defaults(run=query.run)

    guarding = commands.add_parser("gate", help="the only command of the partners' SSH keys")
    guarding.set_defaults(run=lambda _given: gate.serve())
    return top


def main(argv: list[str] | None = None) -> int:
    """Run one command; the exit status is what it returns."""
    given = parser().parse_args(argv)
    logging.basicConfig(level=logging.DEBUG if given.verbose else logging.INFO)
    return given.run(given) or 0


if __name__ == "__main__":
    sys.exit(main())
