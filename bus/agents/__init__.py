"""AutoGen's agent runtime over NATS. Nothing else in the project imports this package, so that nothing else needs AutoGen."""
