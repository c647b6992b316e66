"""Quality gates: limits that a run of the tests keeps or breaks, each with the figure that decides. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from clones.params import Gates

Verdict = Literal["passed", "failed", "unknown"]


def judge(gates: Gates, data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return each gate that is set as `{"gate", "limit", "measured", "verdict", "reason"}`, by the data of the run.

    `unknown` is what could not be measured: no gate passes for want of a figure.
    """
    return [
        {"gate": name, "limit": limit, "measured": measured, "verdict": verdict, "reason": reason}
        for name, limit, measured, verdict, reason in _judged(gates, data)
    ]


def in_words(told: list[dict[str, Any]]) -> str:
    """Return the end of the summary."""
    failed = [row["gate"] for row in told if row["verdict"] != "passed"]
    return f"; gates: {', '.join(failed)} not passed" if failed else f"; all {len(told)} gates passed" if told else ""


_Judged = tuple[str, float | None, float | None, Verdict, str]


def _judged(gates: Gates, data: Mapping[str, Any]) -> Iterator[_Judged]:
    why = str(data.get("reason", ""))
    if gates.no_failures:
        counts = data["counts"]
        bad = counts["failed"] + counts["errors"]
        if not bad and not data.get("complete"):
            yield "no_failures", None, None, "unknown", f"not all tests ran: {why}"
        else:
            words = f"{counts['failed']} tests failed and {counts['errors']} had errors"
            yield "no_failures", None, bad, "failed" if bad else "passed", words
    coverage = data["coverage"] or {}
    yield from _at_least(
        "line_percent", gates.line_percent, coverage.get("line_percent"), "lines", "it was not measured"
    )
    no_branches = "there is no branch, or it was not measured"
    yield from _at_least(
        "branch_percent", gates.branch_percent, coverage.get("branch_percent"), "branches", no_branches
    )
    diff = data.get("diff_coverage") or {}
    if gates.diff_percent is not None and diff.get("lines_total") == 0:
        yield (
            "diff_percent",
            gates.diff_percent,
            None,
            "passed",
            f"no line that counts was changed since {diff['since']}",
        )
    else:
        changed = f"lines changed since {diff['since']}" if "since" in diff else "changed lines"
        no_diff = str(diff.get("reason") or "there is no revision to compare with: give `since`")
        yield from _at_least("diff_percent", gates.diff_percent, diff.get("percent"), changed, no_diff)
    if gates.no_flaky:
        yield _no_flaky(data.get("shuffles"))
    if gates.max_duration_s is not None:
        took = data["duration_s"]
        if not data.get("complete"):
            yield "max_duration_s", gates.max_duration_s, None, "unknown", f"the tests did not come to their end: {why}"
        else:
            verdict: Verdict = "passed" if took <= gates.max_duration_s else "failed"
            yield "max_duration_s", gates.max_duration_s, took, verdict, f"the tests took {took:.1f} s"


def _at_least(name: str, limit: float | None, percent: float | None, what: str, missing: str) -> Iterator[_Judged]:
    if limit is None:
        return
    if percent is None:
        yield name, limit, None, "unknown", missing
    else:
        # the percentage is cut at two places, so that what is just below a limit never reaches it
        yield name, limit, percent, "passed" if percent >= limit else "failed", f"{percent:g} % of {what} covered"


def _no_flaky(shuffles: Mapping[str, Any] | None) -> _Judged:
    if shuffles is None or not shuffles["done"]:
        return "no_flaky", None, None, "unknown", "the tests ran in no other order: set `shuffles`"
    count = len(shuffles["tests"])
    words = f"{count} tests changed their outcome in {shuffles['runs']} runs in {shuffles['done']} other orders"
    if not count and shuffles["done"] < shuffles["asked"]:
        return "no_flaky", None, None, "unknown", f"{words}, of {shuffles['asked']} that were asked for"
    return "no_flaky", None, count, "failed" if count else "passed", words
