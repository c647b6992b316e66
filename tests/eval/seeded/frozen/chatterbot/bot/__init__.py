"""A bot that answers in chat rooms."""
