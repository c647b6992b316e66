"""Gamma: architecture and design."""

from clones.engine_handler import EngineHandler, Handlers, Workshop
from clones.params import ArchitectureParams, DesignParams


def handlers(workshop: Workshop) -> Handlers:
    """Return what Gamma does for each of its task types."""
    return {
        "architecture": EngineHandler("clones.engines.architecture:analyse", ArchitectureParams, workshop),
        "design": EngineHandler("clones.engines.design:analyse", DesignParams, workshop),
    }
