"""The steps of loading."""
