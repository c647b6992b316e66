"""Templates filled in: ours with whatever a task may be, a user's own with kind words where they are wrong."""

from pathlib import Path
from typing import Any

import pytest

from ops.communications.rendering import TemplateUnusable, load, names, render

FACTS: dict[str, Any] = {
    **dict.fromkeys(("workflow", "clone", "code", "message", "summary", "target", "revision", "took"), ""),
    **dict.fromkeys(("submitted", "started", "finished"), ""),
    **{
        name: []
        for name in (
            "steps",
            "decisions",
            "waiting",
            "findings",
            "changes",
            "breaking",
            "timeline",
            "escalations",
            "files",
            "results",
        )
    },
    "id": "t1",
    "type": "security",
    "state": "queued",
    "attempt": 0,
    "labels": {},
    "counts": {"critical": 0, "high": 0, "medium": 0, "low": 0},
    "commands": {name: f"sanctuary {name} t1" for name in ("show", "resume", "retry", "decide")},
}
FULL = FACTS | {
    "workflow": "release",
    "state": "failed",
    "code": "step_failed",
    "message": "tests <b>failed</b>\n# not a heading",
    "target": "shop",
    "steps": [{"name": "tests", "state": "failed", "kind": "testing", "id": "s1", "clone": "", "code": "x", "message": "y"}],
    "decisions": [{"step": "go", "verdict": "reject", "by": "ann", "comment": "the drawer *jams*"}],
    "waiting": [{"step": "go", "prompt": "Release?"}],
    "findings": [
        {"severity": "high", "title": "SQL from `input`", "message": "m", "place": "a b.py:3", "task": "s1"},
        {"severity": "low", "title": "small", "message": "", "place": "", "task": "s1"},
    ],
    "counts": {"critical": 0, "high": 1, "medium": 0, "low": 1},
    "changes": [{"section": "Fixed", "words": "the till"}, {"section": "Added", "words": "a drawer"}],
    "breaking": [{"text": "`pay` is gone"}],
    "timeline": [{"at": "2026-01-01 00:00:00 UTC", "kind": "failed", "words": "why"}],
    "escalations": [{"at": "2026-01-01 00:00:00 UTC", "kind": "escalation", "words": "error parked"}],
    "files": [{"name": "report.md", "task": "s1"}],
    "results": [{"id": "s1", "type": "testing", "state": "failed", "summary": "2 failed", "data": {}}],
}  # fmt: skip


@pytest.mark.parametrize("facts", [FACTS, FULL], ids=["little", "all"])
@pytest.mark.parametrize("name", ["incident", "release-note", "escalation", "handover"])
def test_ours_say_what_is_known_and_nothing_comes_as_markup(name: str, facts: dict[str, Any]) -> None:
    assert name in names()
    page = render(*load(name), facts)
    assert page.startswith("# ")
    assert "None" not in page
    assert "\n\n\n" not in page
    assert "<b>" not in page
    assert "\n# not" not in page
    headings = [line for line in page.splitlines() if line.startswith("## ")]
    assert len(headings) == len(set(headings))


def test_each_of_ours_has_what_it_is_for() -> None:
    pages = {name: render(*load(name), FULL) for name in names()}
    assert "- **high**: SQL from \\`input\\` (`a b.py:3`): m" in pages["incident"]
    assert "small" not in pages["incident"]
    assert "## Added\n\n- a drawer\n\n## Fixed\n\n- the till" in pages["release-note"]
    assert "ann: reject at `go`: the drawer \\*jams\\*" in pages["release-note"]
    assert "- `go`: Release?" in pages["escalation"]
    assert "sanctuary decide t1" in pages["escalation"]
    assert "- testing `s1`: failed, 2 failed" in pages["handover"]
    assert "Critical 0, high 1, medium 0, low 1." in pages["handover"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("# {{ id }}\n{{ nothing }}\n", "own.md, line 2: 'nothing' is undefined; there are attempt,"),
        ("{% if %}", "own.md, line 1: Expected an expression"),
        ("{{ ''.__class__.__mro__ }}", "templates only read what they are given"),
        ("{{ timeline.append(1) }}", "templates only read what they are given"),
        ("\n{{ 1 / attempt }}", "own.md, line 2: division by zero"),
        ("{% include '/etc/passwd' %}", "own.md"),
        ("{{ range(10**9) | list }}", "own.md"),
        ("{% if id %}\n{{ id | shout }}{% endif %}", "own.md, line 2: No filter named 'shout' found"),
    ],
)
def test_what_is_wrong_in_a_template_of_ones_own_is_told(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "own.md"
    path.write_text(text)
    with pytest.raises(TemplateUnusable) as told:
        render(*load(str(path)), FACTS)
    assert words in str(told.value)


def test_a_template_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(TemplateUnusable, match=r"incident, release-note.*did you mean"):
        load("incidnt")
