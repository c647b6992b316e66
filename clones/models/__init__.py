"""A language model behind a clone: asked about what the engines found, within limits, its words kept apart from the facts."""
