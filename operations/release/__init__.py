"""Releases: artifacts, builds, versions, what is on the host, and the switch."""
