"""Code that costs more time than it has to, seen without running it: findings, joined with a profile's hot functions.

ruff's rules (`ruff_rules`) and checks of our own, of loops (`loops`) and of queries to a database in them (`queries`). A
check of ours says something only where the code itself shows it: the line that builds the list is evidence, a name isn't.
"""
