"""Gamma: architecture, design, how it scales, what a change reaches, and the map of the code."""

from clones.engine_handler import EngineHandler, Handlers, Workshop
from clones.params import ArchitectureParams, CodeMapParams, DesignParams, ImpactParams, ScalabilityParams


def handlers(workshop: Workshop) -> Handlers:
    """Return what Gamma does for each of its task types."""
    return {
        "architecture": EngineHandler("clones.engines.architecture:analyse", ArchitectureParams, workshop),
        "design": EngineHandler("clones.engines.design:analyse", DesignParams, workshop),
        "scalability": EngineHandler("clones.engines.scalability:analyse", ScalabilityParams, workshop),
        "impact": EngineHandler("clones.engines.impact:analyse", ImpactParams, workshop),
        "code-map": EngineHandler("clones.engines.code_map:analyse", CodeMapParams, workshop),
    }
