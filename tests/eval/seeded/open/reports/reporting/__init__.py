"""Reports on what a shop sells."""
