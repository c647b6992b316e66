"""Tracks parcels."""
