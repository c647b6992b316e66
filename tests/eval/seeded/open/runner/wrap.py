"""Decorators of the runner's routes."""

import functools
import logging
import time

from flask import abort, g, request, session

log = logging.getLogger("runner.wrap")


def traced(function):
    """Write who calls a route, and how long it took."""

    @functools.wraps(function)
    def wrapped(*args, **kwargs):
        began = time.monotonic()
        try:
            return function(*args, **kwargs)
        finally:
            agent = request.headers.get("User-Agent", "-")
            log.info("%s took %.2f s for %s", function.__name__, time.monotonic() - began, repr(agent))  # seeded: twin log-injection sanitised

    return wrapped


def with_project(function):
    """Give a route the project that the request names."""

    @functools.wraps(function)
    def wrapped(*args, **kwargs):
        project = request.values.get("project")
        if not project:
            abort(400)
        session["project"] = project  # seeded: flaw trust-boundary decorator
        return function(project, *args, **kwargs)

    return wrapped


def with_known_project(*known: str):
    """Give a route one of the projects that are known."""

    def decorate(function):
        @functools.wraps(function)
        def wrapped(*args, **kwargs):
            project = request.values.get("project")
            if project not in known:
                abort(404)
            session["known_project"] = project  # seeded: twin trust-boundary allow-list
            return function(project, *args, **kwargs)

        return wrapped

    return decorate


def with_limit(function):
    """Give a route the number of lines that it may answer."""

    @functools.wraps(function)
    def wrapped(*args, **kwargs):
        g.limit = request.values.get("limit", 100, type=int)
        return function(*args, **kwargs)

    return wrapped
