"""Checks before anything connects, and access to machines."""
