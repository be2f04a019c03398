"""Questions to hosts that change nothing, and what the answers mean."""
