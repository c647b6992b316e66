"""Arenad: the REST API of a little game server, on the standard library alone.

Routes are functions that take a `Call`; they say what they answer by its methods.
"""

import argparse
import logging
from http.server import ThreadingHTTPServer

import accounts
import files
import matches
import world
from calls import Handler


def main() -> None:
    """Serve the game's API."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=7070)
    given = parser.parse_args()
    logging.basicConfig(filename="/var/log/arenad.log", level=logging.INFO, format="%(asctime)s %(message)s")
    for module in (accounts, files, matches, world):
        Handler.routes.update(module.ROUTES)
    ThreadingHTTPServer(("", given.port), Handler).serve_forever()


if __name__ == "__main__":
    main()
