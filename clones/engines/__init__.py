"""The engines behind the clones: functions of a directory, which know nothing of NATS. See `contract.py`."""
