"""Configuration files held against rules of our own: containers, clusters, web servers, settings, package managers.

Each module reads one kind of file and returns `hit.Hit`s; what a rule means stands in `rules.toml`. A value that the files
leave to the environment is not judged, and neither is a setting that is absent, unless its absence is what does harm.
"""
