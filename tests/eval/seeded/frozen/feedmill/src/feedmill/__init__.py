"""Partners' feeds, brought into one shape."""
