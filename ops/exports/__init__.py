"""The ledger in other forms: JSON Lines, CloudEvents, OpenTelemetry spans, Parquet; written so that an interruption costs nothing."""
