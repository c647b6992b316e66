"""What people run and watch: command line, supervisor, audit, metrics, benchmarks."""
