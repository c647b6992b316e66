"""Hand-made data of the task types whose part of the report is made of blocks."""

from typing import Any

from tests.clones.engines.report.inputs import PERFORMANCE


def stated(text: str, command: str = "sed -n '7p' src/shop/cart.py", expected: str = "seventh") -> dict[str, str]:
    return {"text": text, "how_to_check": command, "expected": expected}


API_CHANGES: dict[str, Any] = {
    "ran": True,
    "since": {"revision": "v1.2.0", "name": "v1.2.0", "commit": "a" * 40, "how": "the newest tag before HEAD"},
    "against": None,
    "totals": {"breaking": 61, "risky": 0, "added": 1, "deprecated": 0},
    "suggested": {"part": "major", "reason": "61 breaking changes"},
    "breaking": [
        {
            "name": f"shop.cart.total{number}",
            "what": "function",
            "file": "src/shop/cart.py",
            "line": number,
            **stated(f"`shop.cart.total{number}`: takes no `tax` any more", expected=f"def total{number}(lines):"),
        }
        for number in range(1, 62)
    ],
    "added": [{"name": "shop.cart.Empty", "file": None, "line": None, **stated("class `shop.cart.Empty` is new")}],
}
CHANGELOG: dict[str, Any] = {
    "ran": True,
    "since": {"revision": "v1.2.0", "commit": "b" * 40, "how": "the newest tag before HEAD"},
    "totals": {"Added": 1, "Fixed": 1, "Internal": 1, "commits": 9, "authors": 2, "breaking": 1},
    "entries": [
        {
            "section": section,
            "words": words,
            "breaking": "orders have no tax" if section == "Added" else None,
            "commits": [commit],
            **stated(f"“{words}”: `{commit}`", f"git show -s --format=%s {commit}", words),
        }
        for section, words, commit in (
            ("Added", "Orders can be paid later", "1111aaaa"),
            ("Fixed", "No order is paid twice", "2222bbbb"),
            ("Internal", "Tests are quicker", "3333cccc"),
        )
    ],
    "facts": [stated("9 commits", "git rev-list --count v1.2.0..HEAD", "9")],
}
CODE_MAP: dict[str, Any] = {
    "modules": 31,
    "lines": 4200,
    "entry_points": [
        {
            "kind": "command",
            "name": "shop",
            "module": "shop.cli",
            "file": "pyproject.toml",
            "line": 12,
            **stated("`shop` starts it"),
        }
    ],
    "packages": [
        {
            "name": "shop.cart",
            "modules": 2,
            "lines": 300,
            "purpose": {
                "words": "What somebody wants to buy",
                **stated("`shop.cart` says what it is", expected="a cart"),
            },
            "uses": ["shop.db"],
            **stated("`shop.cart` has 300 lines", "awk 'END {print NR}' src/shop/cart.py", "300"),
        }
    ],
    "dependencies": [{"user": "shop.web", "used": "shop.cart", "imports": 4, **stated("`shop.web` uses `shop.cart`")}],
    "reading_order": [
        {
            "module": "shop.cli",
            "file": "src/shop/cli.py",
            "lines": 90,
            **stated("`shop.cli` (90 lines): `shop` leads here"),
        }
    ],
}
DESIGN: dict[str, Any] = {
    "modules": 31,
    "components": [
        {
            "name": "selling",
            "purpose": "Carts and prices (shop.cart)",
            "modules": ["shop.cart", "shop.price"],
            "lines": 420,
            "layer": 2,
            "uses": ["storing"],
            "contract_names": 9,
            **stated("`selling` has 420 lines", expected="420"),
        }
    ],
    "contracts": [
        {
            "component": "selling",
            "name": "Cart",
            "kind": "class",
            "signature": "class Cart(lines: list[Line] | None)",
            "file": "src/shop/cart.py",
            "line": 20,
            "users": ["web"],
            **stated("`Cart` is used from outside", expected="class Cart:"),
        }
    ],
    "data_flow": [
        {
            "user": "storing",
            "used": "selling",
            "imports": 3,
            "against_layers": True,
            "takes": ["Cart"],
            "gives": ["int"],
            **stated("`storing` imports from `selling`"),
        }
    ],
    "risks": [
        {
            "kind": "hub",
            "severity": "medium",
            "title": "shop.db is a hub",
            "why": "changes pass through it",
            "places": [{"file": "src/shop/db.py", "line": 1}],
            **stated("`shop.db` imports 9 and is imported by 11", "python3 -c 'print(9, 11)'", "9 11"),
        }
    ],
    "plan": [
        {
            "title": "Let tools keep the layers",
            "why": "what is kept cannot get worse",
            "steps": ["put the file into the project"],
            "done_when": "the check runs",
            "needs_file": "design.importlinter",
            **stated("All contracts hold today", "lint-imports --config design.importlinter", "1 kept"),
        }
    ],
}
IMPACT: dict[str, Any] = {
    "since": {"revision": "v1.2.0", "commit": "c" * 40, "how": "asked for"},
    "changed": [{"file": "src/shop/db.py", "module": "shop.db"}],
    "modules": [
        {
            "module": "shop.cart",
            "file": "src/shop/cart.py",
            "distance": 1,
            **stated("`shop.cart` depends on it", expected="import db"),
        }
    ],
    "tests": [
        {"module": "test_cart", "file": "tests/test_cart.py", "distance": 2, **stated("`test_cart` depends on it")}
    ],
    "totals": {"changed": 1, "modules": 18, "tests": 7, "all_modules": 31, "all_tests": 12},
    "run": ["tests/test_cart.py"],
}
KNOWLEDGE: dict[str, Any] = {
    "documents": [
        {
            "file": "README.md",
            "kind": "readme",
            "title": "The shop",
            "about": "Sells things",
            "lines": 52,
            **stated("README.md (52 lines)", "awk 'END {print NR}' README.md", "52"),
        }
    ],
    "glossary": [
        {
            "term": "Line",
            "kind": "class",
            "meaning": "One thing in a cart",
            "file": "src/shop/cart.py",
            "line": 5,
            "used_in": 4,
            **stated("`Line` is one thing in a cart"),
        }
    ],
    "open": [
        {"mark": "TODO", "words": "round at the end", "file": "src/shop/price.py", "line": 9, **stated("TODO at 9")}
    ],
    "totals": {"documents": 40, "terms": 1, "open": 1, "by_mark": {"TODO": 1}},
    "index": {"file": "knowledge.sqlite", "entries": 871, "how_to_search": "python3 search.py knowledge.sqlite WORDS"},
}
SCALABILITY: dict[str, Any] = {
    "source": "given",
    "points": [{"n": 1.0, "throughput": 20.0, "fitted": 21.848, "residual_percent": -8.46}],
    "model": {
        "gamma": 21.848,
        "gamma_se": 2.196,
        "sigma": 0.02773,
        "sigma_se": None,
        "kappa": 0.00010437,
        "kappa_se": 0.00002,
        "r_squared": 0.99069,
        "peak_n": 96.52,
        "limit": 378.2,
        "knee_n": 17.31,
    },
    "queueing": [{"workers": 4, "load": 0.8, "wait_probability": 0.596, "mean_wait_s": 0.0341}],
    "statements": [stated("The peak is at 96.52", "python3 -c 'print(96.52)'", "96.52")],
}
STRATEGY: dict[str, Any] = {
    "functions": 361,
    "measured": True,
    "formula": "risk = complexity * commits * untested share",
    "ranked": [
        {
            "function": "Cart.total",
            "file": "src/shop/cart.py",
            "line": 61,
            "complexity": 27,
            "commits": 19,
            "named_in_tests": 0,
            "untested": 0.625,
            "risk": 320.6,
            "coverage": {
                "needs_file": "coverage.xml",
                **stated("5 of the 8 statements of `Cart.total` ran in no test"),
            },
            "cases": [
                {
                    "name": "test_total_when_empty",
                    "given": "`lines` empty; expect 0",
                    **stated("line 63 asks for `test_total_when_empty`", expected="if not lines:"),
                }
            ],
            **stated("`Cart.total` has a cyclomatic complexity of 27", "lizard src/shop/cart.py", "27"),
        }
    ],
    "properties": {
        "tests": [
            {
                "function": "parse",
                "file": "src/shop/codec.py",
                "line": 9,
                "test": "test_property_shop_codec_parse.py::test_parse_raises_only_what_is_told",
                "outcome": "holds",
                "needs_file": "test_property_shop_codec_parse.py",
                **stated("`parse` raises nothing, for all of 100 made-up inputs"),
            },
            {
                "function": "pack",
                "file": "src/shop/codec.py",
                "line": 3,
                "test": "test_property_shop_codec_pack.py::test_pack_comes_back",
                "outcome": "fails",
                **stated("`unpack` gives back what `pack` was given; with `text=';'` that is not so"),
            },
        ]
    },
}
TRIAGE: dict[str, Any] = {
    "subjects": [
        {
            "test": "tests/test_cart.py::test_total",
            "verdict": "always",
            "runs": 5,
            "failed": 5,
            "message": "assert 2 == 3",
            "traceback": "tests/test_cart.py:5: in test_total",
            "place": {"file": "src/shop/cart.py", "line": 61, "function": "total"},
            "frames": [
                {
                    "file": "src/shop/cart.py",
                    "line": 61,
                    "function": "total",
                    **stated("src/shop/cart.py:61 is on the way"),
                }
            ],
            **stated("`tests/test_cart.py::test_total` fails in 5 of 5 runs by itself", "pytest >/dev/null", "fails"),
        }
    ],
    "other_failures": ["tests/test_cart.py::test_tax"],
    "history": {"since": "v1.2.0", "commit": "d" * 40, "how": "the newest tag before HEAD"},
    "suspects": [
        {
            "commit": "e" * 40,
            "author": "Ann",
            "at": "2026-02-03T10:00:00+00:00",
            "subject": "Quicker totals",
            "files": ["src/shop/cart.py"],
            **stated("eeeeeeeeeeee touched src/shop/cart.py", "git log -1 --format=%s", "Quicker totals"),
        }
    ],
    "bisect": {
        "found": True,
        "first_bad": {
            "commit": "e" * 40,
            "author": "Ann",
            "at": "2026-02-03T10:00:00+00:00",
            "subject": "Quicker totals",
        },
        **stated("`tests/test_cart.py::test_total` passes at dddddddddddd and fails at eeeeeeeeeeee", "true", ""),
    },
}
MUTATION: dict[str, Any] = {
    "ran": True,
    "chosen": "riskiest: most places to change",
    "seed": 0,
    "files": [
        {
            "file": "src/shop/cart.py",
            "mutants": 40,
            "no_tests": 7,
            "tried": 20,
            "killed": 17,
            "timeout": 1,
            "survived": 2,
            "score_percent": 90.0,
        }
    ],
    "totals": {
        "mutants": 40,
        "no_tests": 7,
        "tried": 20,
        "killed": 17,
        "timeout": 1,
        "survived": 2,
        "score_percent": 90.0,
    },
    "survivors": [
        {
            "number": 1,
            "file": "src/shop/cart.py",
            "line": 61,
            "operator": "comparison",
            "diff": "--- a/src/shop/cart.py\n+++ b/src/shop/cart.py\n@@ -61 +61 @@\n-    if a < b:\n+    if a <= b:\n",
            "needs_file": "survivor-1.diff",
            **stated("all 3 tests that run src/shop/cart.py:61 pass with the change of survivor-1.diff", "true", ""),
        }
    ],
    "survivors_total": 2,
}
SLOWER: dict[str, Any] = PERFORMANCE | {
    "compared": {
        "against": "v1.2.0",
        "commit": "f" * 40,
        "rounds": 3,
        "wall": {
            "change_s": 0.52,
            "change_percent": 19.1,
            "noise_s": 0.04,
            "interval_s": [0.31, 0.63],
            "confidence": 0.9683,
            "certain": True,
        },
        "functions": [
            {
                "file": "src/shop/cart.py",
                "function": "Cart.total",
                "change_s": 0.49,
                "noise_s": 0.03,
                "certain": True,
                **stated("2 commits since v1.2.0 touched src/shop/cart.py", "git rev-list --count v1.2.0..HEAD", "2"),
            }
        ],
    },
    "peak_rss_bytes": 96 * 1024**2,
    "memory": {
        "peak_bytes": 40 * 1024**2,
        "seen_bytes": 38 * 1024**2,
        "at_peak": [
            {
                "file": "src/shop/cart.py",
                "line": 71,
                "kind": "target",
                "bytes": 19 * 1024**2,
                "share": 0.5,
                "blocks": 1234,
                "source": "rows = list(reader)",
                "check": stated(
                    "src/shop/cart.py:71 held 19.0 MiB", "sed -n 71p src/shop/cart.py", "rows = list(reader)"
                ),
            }
        ],
        "record": {
            **stated("tracemalloc counted 41943040 bytes at the peak", "cat memory.json", "41943040"),
            "needs_file": "memory.json",
        },
    },
    "patterns": {
        "found": [
            {
                "rule": "list-searched-in-loop",
                "title": "`in` searches a list in a loop",
                "why": "each search reads the list from its beginning",
                "instead": "keep a set of the same values",
                "file": "src/shop/cart.py",
                "line": 64,
                "self_share": 0.4,
                "check": stated(
                    "`in` searches a list: src/shop/cart.py:64", "sed -n 64p src/shop/cart.py", "if x in xs:"
                ),
            }
        ],
        "total": 61,
    },
}
FLOWS: dict[str, dict[str, Any]] = {
    "api-changes": API_CHANGES,
    "changelog": CHANGELOG,
    "code-map": CODE_MAP,
    "design": DESIGN,
    "impact": IMPACT,
    "knowledge": KNOWLEDGE,
    "mutation": MUTATION,
    "scalability": SCALABILITY,
    "strategy": STRATEGY,
    "triage": TRIAGE,
    "performance": SLOWER,
}
FILES = {
    "changelog": ("CHANGELOG.draft.md",),
    "code-map": ("code-map.svg",),
    "design": ("components.svg",),
    "scalability": ("scalability.svg",),
}
