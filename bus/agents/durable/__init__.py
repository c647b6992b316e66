"""Durable topics: what is published there is stored first, and delivered to each subscribing agent in order, at least once."""
