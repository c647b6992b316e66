"""Beta: security and performance."""

from clones.engine_handler import EngineHandler, Handlers, Workshop
from clones.params import PerformanceParams, SecurityParams


def handlers(workshop: Workshop) -> Handlers:
    """Return what Beta does for each of its task types."""
    return {
        "security": EngineHandler("clones.engines.security:analyse", SecurityParams, workshop),
        "performance": EngineHandler("clones.engines.performance:analyse", PerformanceParams, workshop),
    }
