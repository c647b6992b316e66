"""The environment that a target's code runs in: its dependencies, its test dependencies, and what the engines need.

`prepare` returns the interpreter that runs Sanctuary where that already has all of it, and otherwise a virtual
environment below the cache directory, built once for each set of declarations and shared by the engines.
"""

from clones.engines.environment.interpreter import Environment
from clones.engines.environment.layout import import_roots, run_env
from clones.engines.environment.prepare import prepare

__all__ = ["Environment", "import_roots", "prepare", "run_env"]
