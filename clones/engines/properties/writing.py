"""Drafted properties as a file of tests for pytest and hypothesis, and as a few lines that show one counterexample. Pure."""

import re
import shlex
from collections.abc import Sequence

from clones.engines.properties.drafts import Draft, Property

EXAMPLES = 100
"""Inputs that are tried for each property."""
_INDENT = "    "


def file_name(draft: Draft) -> str:
    """Return the name of a draft's file."""
    return f"test_property_{re.sub(r'[^0-9A-Za-z]+', '_', f'{draft.module}_{draft.function}').strip('_')}.py"


def name_of_test(draft: Draft, item: Property) -> str:
    """Return the name of a property's test, which no other one of the draft has."""
    same = [each for each in draft.properties if each.kind == item.kind]
    number = f"_{same.index(item) + 1}" if len(same) > 1 else ""
    words = {
        "round trip": "comes_back",
        "idempotent": "is_the_same_twice",
        "bounds": "stays_within_bounds",
        "returns": "returns_as_annotated",
        "errors": "raises_only_what_is_told",
    }[item.kind]
    return f"test_{draft.function.strip('_').replace('.', '_')}_{words}{number}"


def write(draft: Draft, properties: Sequence[Property]) -> str:
    """Return the file with the tests of these properties of the draft."""
    names = ["HealthCheck", "Phase", "given", "reject", "settings"]
    if any(item.assumed for item in properties):
        names.insert(2, "assume")
    if not any(item.holds for item in properties):
        names.remove("reject")
    head = f'''"""Property tests of `{draft.module}.{draft.function}`, drafted by Sanctuary: say what you mean before you keep one.

hypothesis makes up what is passed, in every run the same.
"""

from hypothesis import {", ".join(names)}
from hypothesis import strategies as st

import {draft.module} as subject

EVERY_RUN_THE_SAME = settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples={EXAMPLES},
    report_multiple_bugs=False,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
'''
    return "\n\n".join([head, *(_test(draft, item) for item in properties)])


def check(item: Property, module: str, arguments: Sequence[str], roots: str) -> str:
    """Return a command for the project's directory that prints what a property comes to for these arguments.

    That is `True`, `False`, or the name of the error that is raised. `arguments` are assignments (`text='x'`), `roots` is
    what is on the module path, as a shell word.
    """
    lines = [f"import {module} as subject", *arguments, "try:", f"    result = {item.given}"]
    lines += [f"    print({item.holds or True})", "except BaseException as error:", "    print(type(error).__name__)"]
    return f"PYTHONDONTWRITEBYTECODE=1 PYTHONPATH={roots} python3 -c {shlex.quote(chr(10).join(lines))}"


def _test(draft: Draft, item: Property) -> str:
    given = ", ".join(f"{each.name}={each.values}" for each in item.inputs)
    names = ", ".join(each.name for each in item.inputs)
    says = item.says.replace("\\", "")
    lines = [
        "@EVERY_RUN_THE_SAME",
        f"@given({given})",
        f"def {name_of_test(draft, item)}({names}):",
        f'    """{says}."""',
    ]
    lines += [f"    assume({item.assumed})"] if item.assumed else []
    errors = ", ".join(item.told) if not item.holds else "Exception"
    call = f"result = {item.given}" if item.holds else item.given
    if errors:
        # an error that is told is no failure; one where another property is asked for is not that property's matter
        lines += [
            "    try:",
            f"        {call}",
            f"    except ({errors}):" if "," in errors else f"    except {errors}:",
        ]
        lines += ["        reject()" if item.holds else "        pass"]
    else:
        lines.append(f"    {call}")
    lines += [f"    assert {item.holds}"] if item.holds else []
    return "\n".join(lines) + "\n"
