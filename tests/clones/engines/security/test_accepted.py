"""What people have decided beforehand: each decision is told, and files that strangers wrote decide no more than that."""

import datetime as dt
from pathlib import Path

import msgspec
import pytest

from clones.engines.contract import EngineError
from clones.engines.security import sarif
from clones.engines.security.accepted import Decisions, Entry, apply, parse_accepted, parse_baseline, read
from clones.engines.security.findings import Finding, Findings, Suppressed
from clones.engines.statements import Statement

TODAY = dt.date(2026, 5, 1)
ENTRY = """
[[accepted]]
rule = "B608"
file = "app/*.py"
reason = "An enumeration."
by = "Ada"
until = 2026-05-01
"""


def finding(fingerprint: str, rule: str = "B608", file: str = "app/db.py") -> Finding:
    return Finding(
        rule=rule,
        title="t",
        severity="medium",
        confidence="high",
        cwe=89,
        file=file,
        line=1,
        end_line=1,
        snippet="s",
        message="m",
        how_to_check="h",
        fingerprint=fingerprint,
        engine="bandit",
        reported_as=(f"bandit {rule}",),
        context="",
        check=Statement(text="t", how_to_check="c", expected="e"),
    )


def findings(*found: Finding) -> Findings:
    return Findings(
        counted=tuple(each for each in found if each.kind == "flaw"),
        reviews=tuple(each for each in found if each.kind == "review"),
        suppressed=(),
    )


def review(fingerprint: str) -> Finding:
    return msgspec.structs.replace(finding(fingerprint), kind="review")


def log(found: Findings) -> bytes:
    return msgspec.json.encode(sarif.document((), found, ()))


def test_an_entry_holds_until_its_last_day_and_is_told_with_who_and_why() -> None:
    decisions = Decisions(accepted=parse_accepted(ENTRY.encode()))
    found = findings(finding("1"), finding("2", file="other/db.py"), finding("3", rule="B602"))
    applied = apply(decisions, found, TODAY)
    assert [each.fingerprint for each in applied.findings.counted] == ["2", "3"]
    (taken,) = applied.findings.suppressed
    assert (taken.by, taken.kind) == (".sanctuary-accepted.toml", "external")
    assert taken.reason == "accepted by Ada until 2026-05-01: An enumeration."
    assert not applied.notes
    later = apply(decisions, found, TODAY + dt.timedelta(days=1))
    assert later.findings == found
    assert "has expired on 2026-05-01" in later.notes[0].reason


def test_a_rule_is_any_scanners_name_for_it() -> None:
    entry = Entry(rule="B608", reason="r", by="b", until=TODAY)
    followed = msgspec.structs.replace(finding("1", rule="taint/sql-injection"), reported_as=("taint x", "bandit B608"))
    assert entry.covers(followed)
    assert not entry.covers(finding("1", rule="B602"))


def test_the_example_of_the_page_is_a_list() -> None:
    page = (Path(__file__).parents[4] / "docs/security.md").read_text(encoding="utf-8")
    example = page.partition("```toml\n")[2].partition("```")[0]
    (entry,) = parse_accepted(example.encode())
    assert entry.covers(finding("1", file="app/reports/year.py"))
    assert not entry.covers(finding("1", file="app/db.py"))


def test_an_entry_about_nothing_is_told() -> None:
    (note,) = apply(Decisions(accepted=parse_accepted(ENTRY.encode())), findings(), TODAY).notes
    assert note.subject == ".sanctuary-accepted.toml"
    assert "B608 in app/*.py: the entry by Ada is about nothing that was found" in note.reason


def test_many_useless_entries_are_told_together() -> None:
    entries = tuple(Entry(rule=f"B{number}", reason="r", by="b", until=TODAY) for number in range(1000))
    notes = apply(Decisions(accepted=entries), findings(), TODAY).notes
    assert len(notes) == 21
    assert notes[-1].reason.startswith("980 more entries")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[[accepted]]\nreason = "r"\nby = "b"\nuntil = 2026-05-01\n', "needs a `fingerprint` or a `rule`"),
        ('[[accepted]]\nrule = "B1"\nby = "b"\nuntil = 2026-05-01\n', "missing required field `reason`"),
        ('[[accepted]]\nrule = "B1"\nreason = "r"\nby = "b"\n', "missing required field `until`"),
        ('[[accepted]]\nrule = "B1"\nreason = ""\nby = "b"\nuntil = 2026-05-01\n', "length >= 1"),
        ("[[suppressed]]\n", "unknown field `suppressed`"),
        ("[[accepted\n", "line 1"),
        ("\udcff", "utf-8"),
    ],
)
def test_a_list_that_is_wrong_decides_nothing_and_says_why(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / ".sanctuary-accepted.toml").write_bytes(text.encode(errors="surrogateescape"))
    decisions = read(tmp_path, None)
    assert decisions.accepted == ()
    (note,) = decisions.unread
    assert words in note.reason
    assert "none of its entries was applied" in note.reason


def test_the_log_of_a_scan_is_the_baseline_of_the_next(tmp_path: Path) -> None:
    (tmp_path / ".sanctuary-baseline.sarif").write_bytes(log(findings(finding("1"), finding("2"))))
    decisions = read(tmp_path, None)
    applied = apply(decisions, findings(finding("1"), finding("3")), TODAY)
    assert [each.fingerprint for each in applied.findings.counted] == ["3"]
    assert applied.findings.suppressed[0].by == ".sanctuary-baseline.sarif"
    assert applied.gone == ("B608 in app/db.py",)
    # what it knew stays known in the log of the scan that it was applied to
    assert parse_baseline(log(applied.findings)).keys() == {"1", "3"}


def test_a_place_to_review_that_was_known_counts_once_it_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / ".sanctuary-baseline.sarif").write_bytes(log(findings(review("1"), review("2"), finding("3"))))
    applied = apply(read(tmp_path, None), findings(finding("1"), review("2"), review("3"), review("4")), TODAY)
    assert [each.fingerprint for each in applied.findings.counted] == ["1"]
    assert [each.fingerprint for each in applied.findings.reviews] == ["4"]
    assert applied.gone == ()
    # of the next scan's baseline, what was known as no more than that still is no more
    later = parse_baseline(log(applied.findings))
    assert {name: known.kind for name, known in later.items()} == {
        "1": "flaw",
        "2": "review",
        "3": "review",
        "4": "review",
    }
    entry = Entry(rule="B608", reason="r", by="b", until=TODAY)
    assert apply(Decisions(accepted=(entry,)), findings(review("5")), TODAY).findings.reviews == ()


def test_what_was_accepted_or_set_aside_is_not_in_a_baseline() -> None:
    aside = Suppressed(finding=finding("9"), kind="external", reason="r", printed=True)
    entry = Entry(fingerprint="1", reason="r", by="b", until=TODAY)
    applied = apply(Decisions(accepted=(entry,)), Findings(counted=(finding("1"),), suppressed=(aside,)), TODAY)
    assert applied.findings.counted == ()
    assert parse_baseline(log(applied.findings)) == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"{", "no SARIF log"),
        (b'{"runs": 3}', "no SARIF log"),
        (b'{"runs": [{"results": [{"ruleId": "x"}]}]}', "none of its results has a fingerprint"),
        (b"[" * 100_000, "no SARIF log"),
    ],
)
def test_a_baseline_that_is_none_decides_nothing_and_says_why(text: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / ".sanctuary-baseline.sarif").write_bytes(text)
    decisions = read(tmp_path, None)
    assert decisions.baseline is None
    assert words in decisions.unread[0].reason


def test_no_file_outside_the_target_decides(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "outside.sarif").write_bytes(log(findings(finding("1"))))
    (tmp_path / "target/link.sarif").symlink_to(tmp_path / "outside.sarif")
    (tmp_path / "target/.sanctuary-accepted.toml").symlink_to("/dev/zero")
    (tmp_path / "target/circle.sarif").symlink_to("circle.sarif")
    for name in ("link.sarif", "circle.sarif", "../outside.sarif", str(tmp_path / "outside.sarif")):
        decisions = read(tmp_path / "target", name)
        assert decisions.baseline is None
        assert [note.subject for note in decisions.unread] == [name, ".sanctuary-accepted.toml"]


def test_a_baseline_that_was_asked_for_must_be_there(tmp_path: Path) -> None:
    assert read(tmp_path, None) == Decisions()
    with pytest.raises(EngineError, match=r"no file 'known\.sarif'") as raised:
        read(tmp_path, "known.sarif")
    assert raised.value.code == "target_not_found"
