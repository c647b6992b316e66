"""Delta: testing, what should be tested, what the tests would not notice, and where a failure comes from."""

from clones.engine_handler import EngineHandler, Handlers, Workshop
from clones.params import MutationParams, StrategyParams, TestingParams, TriageParams


def handlers(workshop: Workshop) -> Handlers:
    """Return what Delta does for each of its task types."""
    return {
        "testing": EngineHandler("clones.engines.testing:analyse", TestingParams, workshop),
        "strategy": EngineHandler("clones.engines.strategy:analyse", StrategyParams, workshop),
        "mutation": EngineHandler("clones.engines.mutation:analyse", MutationParams, workshop),
        "triage": EngineHandler("clones.engines.triage:analyse", TriageParams, workshop),
    }
