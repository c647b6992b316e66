"""What a part of the evaluation comes to."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from tests.eval.labels import Score

DIRECTORY = Path(__file__).parents[2] / ".eval"
"""What is fetched and written out; `make clean` removes it."""

Told = Callable[[str], None]
"""Told what is being done now."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One engine on one material."""

    material: str
    engine: str
    score: Score | None = None
    """None where nothing is counted but time."""
    seconds: float


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """A demand, and whether it is met."""

    text: str
    holds: bool | None
    """None where it cannot be said, and the text says why."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """What a part of the evaluation comes to."""

    name: str
    title: str
    rows: tuple[Row, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    wrong: tuple[str, ...] = ()
    """What our own engine missed or said wrongly, one line each; told with `--why`."""

    @property
    def holds(self) -> bool:
        """Whether nothing that is demanded fails."""
        return all(verdict.holds is not False for verdict in self.verdicts)


def absent(what: str, *, demanded: bool) -> Verdict:
    """Return the verdict on material that is not there; in CI that fails where the material is `demanded`."""
    return Verdict(text=what, holds=False if demanded and os.environ.get("SANCTUARY_CI") else None)


def total(rows: Sequence[Row], material: str) -> list[Row]:
    """Return a row of each engine over all of `rows`, in their order."""
    engines = dict.fromkeys(row.engine for row in rows)
    own = {engine: [row for row in rows if row.engine == engine] for engine in engines}
    return [
        Row(
            material=material,
            engine=engine,
            score=sum((row.score for row in those if row.score is not None), Score()),
            seconds=sum(row.seconds for row in those),
        )
        for engine, those in own.items()
    ]


def no_lower(rows: Sequence[Row], engine: str, part: str, figure: str) -> Verdict:
    """Return whether an engine's `recall` or `precision` is no lower than that of each tool run by hand on the same material.

    `part` is a part of the engine that nobody else has, so no rival: what others add to its findings costs some of its
    precision and wins some recall, and the table shows both.
    """
    figures = {row.engine: getattr(row.score, figure) for row in rows if row.engine != part}
    best = max(figures, key=lambda each: (figures[each], each == engine))
    text = f"{rows[0].material}: the {engine}'s {figure} {figures[engine]:.3f} is no lower than that of any tool run by hand"
    beaten = "" if best == engine else f"; {best} has {figures[best]:.3f}"
    return Verdict(text=f"{text}{beaten}", holds=best == engine)


def flawless(rows: Sequence[Row], engine: str, what: str) -> Verdict:
    """Return whether `engine` found all there is, and nothing else."""
    counts = sum((row.score for row in rows if row.engine == engine and row.score is not None), Score())
    return Verdict(text=f"{what}: all found, and no others", holds=counts.missed == counts.false == 0 < counts.hit)
