"""Dependencies held against a database of published advisories, in the format of osv.dev (OSV schema 1.x).

`importing` makes the database from dumps that somebody has downloaded, `pinned` finds the versions that a target names,
and `scan` matches them. Nothing here uses a network.
"""
