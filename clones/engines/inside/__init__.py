"""Files that the target's interpreter runs, copied next to the target's copy: standard library, pytest and pyinstrument only.

Written for Python 3.8 and later and for any pytest since 6, because a target brings its own; nothing here imports Sanctuary.
"""
