"""How fast durable tasks are, against raw nats-py doing the same stored steps in the same run."""
