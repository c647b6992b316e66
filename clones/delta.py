"""Delta: testing."""

from clones.engine_handler import EngineHandler, Handlers, Workshop
from clones.params import TestingParams


def handlers(workshop: Workshop) -> Handlers:
    """Return what Delta does for each of its task types."""
    return {"testing": EngineHandler("clones.engines.testing:analyse", TestingParams, workshop)}
