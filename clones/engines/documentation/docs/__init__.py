"""Checks of a target's documents: links and images, blocks of code, the commands and paths that they name."""
