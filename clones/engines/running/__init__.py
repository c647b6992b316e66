"""Running a target's code: watched runs, its tests, and commands that start Python."""
