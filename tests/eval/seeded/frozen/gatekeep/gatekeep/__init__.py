"""Gatekeep: single sign-on and the directory behind it."""
