"""What people are told of a task or a run: an incident notice, a release note, an escalation, a hand-over, or their own."""
