"""Hand-made reviews for the report's tests."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from clones.engines.contract import NotAnalysed
from clones.engines.report import AuditEntry, Network, ReportInput, Section

START = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
SVG = "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 9 9'><script>alert(1)</script><text>{}</text></svg>"

SECURITY: dict[str, Any] = {
    "findings": [
        {
            "rule": "B602",
            "title": "A shell gets `text` from outside",
            "severity": severity,
            "confidence": "high",
            "cwe": 78,
            "file": f"src/shop/{name}.py",
            "line": line,
            "snippet": f"subprocess.run(command_{line}, shell=True)",
            "message": "A shell runs what it gets.",
            "how_to_check": f"`sed -n '{line}p' src/shop/{name}.py`: follow the argument back.",
            "fingerprint": f"f{line}",
            "engine": "bandit",
        }
        for severity, name, line in (("high", "run", 17), ("high", "jobs", 230), ("medium", "old", 5), ("low", "x", 44))
    ],
    "counts": {"critical": 0, "high": 2, "medium": 1, "low": 1},
    "by_files": [
        {
            "rule": "B608",
            "title": "A query is put together",
            "severity": "medium",
            "file": "src/shop/report.py",
            "line": 71,
            "by": ".sanctuary-accepted.toml",
            "reason": "accepted by Ada until 2026-12-31: an enumeration",
        }
    ],
    "reviews": [
        {
            "rule": "B605",
            "title": "A shell may get `text` from outside",
            "severity": "high",
            "confidence": "low",
            "file": "src/shop/maybe.py",
            "line": 33,
        }
    ],
    "reviews_total": 16,
    "baseline": {"file": ".sanctuary-baseline.sarif", "entries": 9, "found_again": 6, "gone_total": 3},
    "since": {
        "revision": "v1.2.0",
        "new": 1,
        "same": 3,
        "fixed_total": 1,
        "fixed": [
            {"rule": "B307", "title": "`eval` was there", "severity": "high", "file": "src/shop/gone.py", "line": 12}
        ],
    },
    "engines": [{"name": "bandit", "version": "1.9.4", "findings": 4, "files_analysed": 31, "duration_s": 1.25}],
    "files_analysed": 31,
}
SECURITY["findings"][0] |= {
    "state": "new",
    "flow": [
        {"file": "src/shop/web.py", "line": 8, "message": "`args` of the request", "snippet": "name = request.args"},
        {"file": "src/shop/web.py", "line": 9, "message": "passed as `command`", "snippet": "run(name)"},
    ],
}
ARCHITECTURE: dict[str, Any] = {
    "packages": ["shop"],
    "modules": 31,
    "imports": 88,
    "cycles": [["shop.cart", "shop.price"]],
    "layers": [["shop.web"], ["shop.cart", "shop.price"], ["shop.db"]],
    "hot_spots": [
        {"function": "Cart.total", "file": "src/shop/cart.py", "line": 61, "complexity": 27, "nloc": 140, "churn": 19}
    ],
    "coupling": [{"module": "shop.db", "afferent": 11, "efferent": 1, "instability": 0.08}],
}
TESTING: dict[str, Any] = {
    "ran": True,
    "command": ["python", "-m", "pytest", "tests/a b"],
    "counts": {"total": 1234, "passed": 1227, "failed": 2, "errors": 1, "skipped": 3, "xfailed": 1, "xpassed": 0},
    "duration_s": 72.4,
    "coverage": {
        "line_percent": 99.96,
        "branch_percent": 71.0,
        "lines_covered": 2499,
        "lines_total": 2500,
        "branches_covered": 142,
        "branches_total": 200,
    },
    "files": [{"file": "src/shop/db.py", "line_percent": 62.5, "branch_percent": None, "missing": [3, 4, 5, 9]}],
    "slowest": [{"test": "tests/test_cart.py::test_total", "duration_s": 4.2}],
    "failures": [
        {"test": "tests/test_db.py::test_lock", "message": "assert 3 == 4", "file": "tests/test_db.py", "line": 88}
    ],
    "environment": {"python": "3.11.7", "versions": {"pytest": "9.0.2"}},
}
PERFORMANCE: dict[str, Any] = {
    "command": ["python", "-m", "shop"],
    "exit_status": 0,
    "wall_s": 3.25,
    "sample_interval_s": 0.001,
    "hot": [
        {
            "function": "Cart.total",
            "file": "src/shop/cart.py",
            "line": 61,
            "self_s": 1.3,
            "self_share": 0.4,
            "total_s": 2.6,
            "source": "for line in self.lines:",
        }
    ],
}
DOCUMENTATION: dict[str, Any] = {
    "coverage": {"documented": 118, "total": 160, "percent": 73.8},
    "modules": [
        {"module": "shop.db", "file": "src/shop/db.py", "documented": 8, "total": 50, "percent": 16.0},
    ],
    "undocumented": [
        {"name": f"shop.db.query{number}", "kind": "function", "file": "src/shop/db.py", "line": number}
        for number in range(1, 43)
    ],
    "command": ["interrogate", "src"],
}
DATA = {
    "security": SECURITY,
    "architecture": ARCHITECTURE,
    "testing": TESTING,
    "performance": PERFORMANCE,
    "documentation": DOCUMENTATION,
}
CLONES = {
    "security": "beta",
    "architecture": "gamma",
    "testing": "delta",
    "performance": "beta",
    "documentation": "sigma",
}
PICTURES = {"architecture": "architecture.svg", "testing": "coverage.svg", "performance": "flame.svg"}


def section(task_type: str, pictures: Path | None = None, **changes: Any) -> Section:
    """One completed task, with a picture written below `pictures` where its type has one."""
    files: dict[str, Path | None] = {}
    if pictures is not None and (name := PICTURES.get(task_type)):
        files[name] = pictures / name
        (pictures / name).write_text(SVG.format(task_type), encoding="utf-8")
    position = list(DATA).index(task_type) if task_type in DATA else 0
    values: dict[str, Any] = {
        "task_type": task_type,
        "task_id": f"id-{task_type}",
        "clone": CLONES.get(task_type, "omega"),
        "instance": "one-1",
        "state": "completed",
        "started_at": START + timedelta(seconds=position),
        "finished_at": START + timedelta(seconds=position + 7.5),
        "duration_s": 7.5,
        "queued_s": 0.02,
        "summary": f"What {task_type} found.",
        "data": DATA.get(task_type, {}),
        "files": files,
        "not_analysed": (NotAnalysed(subject=f"{task_type}.bin", reason="not text"),),
    }
    return Section(**(values | changes))


def failed(task_type: str) -> Section:
    return section(
        task_type,
        state="failed",
        data={},
        summary="",
        not_analysed=(),
        error_code="engine_timeout",
        error_message=f"{task_type} took longer than 60 s",
    )


def review(*sections: Section, **changes: Any) -> ReportInput:
    values: dict[str, Any] = {
        "project": "shop",
        "target": "/work/shop",
        "revision": "4f2a9c1",
        "created_at": START + timedelta(minutes=1),
        "network": Network(realm="sanctuary", server_version="2.15.1"),
        "sections": sections,
        "audit": tuple(
            AuditEntry(
                seq=400 + number,
                time=START + timedelta(milliseconds=number),
                subject=f"sanctuary.event.{each.task_type}.{each.task_id}",
                kind="TaskStarted",
                task_id=each.task_id,
                clone=each.clone,
            )
            for number, each in enumerate(sections)
        ),
    }
    return ReportInput(**(values | changes))
