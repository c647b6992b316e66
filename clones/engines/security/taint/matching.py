"""`match` statements: which of the cases may be taken, and what a case's pattern tells of the value."""

import ast

from clones.engines.security.taint import constants, operators
from clones.engines.security.taint.base import Base
from clones.engines.security.taint.heap import State, join_states
from clones.engines.security.taint.taints import merge
from clones.engines.security.taint.values import Value, const, join, join_all, tainted


def match(frame: Base, node: ast.Match) -> None:
    """Execute `match …: case …: …`."""
    subject = frame.evaluate(node.subject)
    ended: list[State | None] = []
    for case in node.cases:
        if frame.state is None:
            break
        begin = frame.state
        matched, left = _pattern(frame, case.pattern, subject, node.subject, begin)
        frame.state = matched
        if matched is not None and case.guard is not None:
            held, failed = frame.branch(case.guard)
            left = join_states([left, failed])
            frame.state = held
        frame.execute(case.body)
        ended.append(frame.state)
        frame.state = left
    frame.state = join_states([*ended, frame.state])


def _pattern(
    frame: Base, pattern: ast.pattern, subject: Value, node: ast.expr, state: State
) -> tuple[State | None, State | None]:
    """Return the states where the pattern matches, and where it does not."""
    if isinstance(pattern, ast.MatchValue | ast.MatchSingleton):
        value = const(pattern.value) if isinstance(pattern, ast.MatchSingleton) else frame.evaluate(pattern.value)
        known = constants.truth(operators.compare(frame, ast.Eq(), subject, value))
        matched = state.copy()
        if isinstance(node, ast.Name) and value.is_constant:
            matched.vars[node.id] = value
        return (None if known is False else matched), (None if known is True else state)
    if isinstance(pattern, ast.MatchOr):
        ended: list[State | None] = []
        left: State | None = state
        for each in pattern.patterns:
            if left is not None:
                matched_one, left = _pattern(frame, each, subject, node, left)
                ended.append(matched_one)
        return join_states(ended), left
    if isinstance(pattern, ast.MatchAs) and pattern.pattern is not None:
        matched_inner, left = _pattern(frame, pattern.pattern, subject, node, state)
        if matched_inner is not None and pattern.name:
            matched_inner.vars[pattern.name] = _one_of(frame, pattern.pattern) or subject
        return matched_inner, left
    matched = state.copy()
    element = join(frame.elements(subject, node), tainted(merge(subject.taints, state.taints(subject))))
    for part in ast.walk(pattern):
        name = getattr(part, "name", None) or getattr(part, "rest", None)
        if isinstance(name, str):
            matched.vars[name] = subject if part is pattern else element
    irrefutable = isinstance(pattern, ast.MatchAs) and pattern.pattern is None
    return matched, None if irrefutable else state


def _one_of(frame: Base, pattern: ast.pattern) -> Value | None:
    """Return the constants that a pattern stands for; None where it stands for others."""
    found = [_one_of(frame, each) for each in pattern.patterns] if isinstance(pattern, ast.MatchOr) else []
    known = [each for each in found if each is not None]
    if known and len(known) == len(found):
        return join_all(known)
    return frame.evaluate(pattern.value) if isinstance(pattern, ast.MatchValue) else None
