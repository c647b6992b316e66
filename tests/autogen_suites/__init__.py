"""`make autogen-suites`: AutoGen's own tests of runtimes and teams, from its source distributions, with our runtime in place."""
