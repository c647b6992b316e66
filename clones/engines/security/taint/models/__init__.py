"""What functions of Python and its standard library give, and what methods of its own types do."""
