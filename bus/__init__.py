"""The bus: durable tasks on NATS, with exactly one result each. Start with `execution.py`, which is one task's life."""
