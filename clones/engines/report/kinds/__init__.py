"""The task types whose part of the report is made of blocks: each module knows one type's data and what matters of them."""

from collections.abc import Callable
from typing import Any

import msgspec

from clones.engines.report.blocks import Content
from clones.engines.report.kinds import (
    api_changes,
    changelog,
    code_map,
    design,
    impact,
    knowledge,
    mutation,
    other,
    scalability,
    strategy,
    triage,
)
from clones.engines.report.model import Section


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """A task type in the report."""

    title: str
    shape: type[msgspec.Struct]
    content: Callable[[Section, Any], Content]
    """Of a section, and its data in `shape`."""
    stands_out: str = ""
    """What of it is listed on top of the report, in words."""


KINDS = {
    "api-changes": Kind(
        title="API changes",
        shape=api_changes.Data,
        content=api_changes.content,
        stands_out="breaking changes of the public surface",
    ),
    "changelog": Kind(
        title="Changelog",
        shape=changelog.Data,
        content=changelog.content,
        stands_out="commits that are said to break something",
    ),
    "code-map": Kind(title="Map of the code", shape=code_map.Data, content=code_map.content),
    "design": Kind(title="Design", shape=design.Data, content=design.content),
    "impact": Kind(title="Impact", shape=impact.Data, content=impact.content),
    "knowledge": Kind(title="Knowledge", shape=knowledge.Data, content=knowledge.content),
    "mutation": Kind(
        title="Mutation",
        shape=mutation.Data,
        content=mutation.content,
        stands_out="changes to the code that no test notices",
    ),
    "scalability": Kind(title="Scalability", shape=scalability.Data, content=scalability.content),
    "strategy": Kind(
        title="Test strategy",
        shape=strategy.Data,
        content=strategy.content,
        stands_out="the function that most needs tests",
    ),
    "triage": Kind(
        title="Triage", shape=triage.Data, content=triage.content, stands_out="failures that were looked into"
    ),
}


def content(section: Section) -> Content:
    """Return what the report shows of a completed task; of a type that is not known, whatever can be shown of any.

    Raises `msgspec.ValidationError` where the data have another shape.
    """
    kind = KINDS.get(section.task_type)
    if kind is None:
        return other.content(section)
    return kind.content(section, msgspec.convert(section.data, kind.shape))
