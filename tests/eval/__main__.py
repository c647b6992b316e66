"""`python -m tests.eval [PART ...]`: the clones measured on material of which is known what there is to find.

Prints a table for each part, beside each engine by itself; `--json` prints the same as JSON, `--why` also what was missed and
what was found wrongly. Exits with 1 where something that is demanded of the clones does not hold.
"""

import argparse
import sys
from collections.abc import Callable, Mapping

import msgspec
from rich.console import Console

from tests.eval import (
    breaks,
    dependencies,
    drafts,
    knots,
    leftovers,
    mutants,
    orders,
    releases,
    retrieval,
    security,
    speed,
    table,
)
from tests.eval.outcome import Part, Told

PARTS: Mapping[str, Callable[[Told], Part]] = {
    "security": security.measure,
    "releases": releases.measure,
    "dependencies": dependencies.measure,
    "knots": knots.measure,
    "leftovers": leftovers.measure,
    "orders": orders.measure,
    "drafts": drafts.measure,
    "mutants": mutants.measure,
    "breaks": breaks.measure,
    "retrieval": retrieval.measure,
    "speed": speed.measure,
}


def main() -> int:
    """Measure what is named, or all; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.eval", description="Measure the clones.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; default: all")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--why", action="store_true", help="also print what was missed and what was found wrongly")
    given = parser.parse_args()
    if unknown := [name for name in given.parts if name not in PARTS]:
        parser.error(f"there is no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    console = Console(width=None if sys.stdout.isatty() else 120)
    measured = []
    with Console(stderr=True).status("") as status:
        for name in given.parts or PARTS:

            def tell(text: str, part: str = name) -> None:
                status.update(f"{part}: {text}")

            measured.append(PARTS[name](tell))
            if not given.json:
                status.stop()
                table.show(measured[-1], console, why=given.why)
                status.start()
    if given.json:
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode([table.plain(part) for part in measured])))
        sys.stdout.write("\n")
    return 0 if all(part.holds for part in measured) else 1


if __name__ == "__main__":
    sys.exit(main())
