"""The workflows that come with the product, each a TOML file beside this one."""

from functools import cache
from importlib import resources

from clones.workflows.reading import read
from schemas import WorkflowDefinition


@cache
def shipped() -> tuple[WorkflowDefinition, ...]:
    """Return the definitions that come with the product, by name."""
    files = (file for file in resources.files(__name__).iterdir() if file.name.endswith(".toml"))
    return tuple(read(file.read_bytes(), file.name) for file in sorted(files, key=lambda file: file.name))
