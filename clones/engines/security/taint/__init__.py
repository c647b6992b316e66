"""Taint analysis of Python code: how what comes from outside gets to where it does harm, over functions and modules."""
