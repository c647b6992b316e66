"""What `sanctuary doctor` looks at, and what to do about what it finds."""
