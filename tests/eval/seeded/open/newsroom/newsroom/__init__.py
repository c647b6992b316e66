"""A small newspaper's newsroom: a wire that agencies write to, pages that editors read."""
