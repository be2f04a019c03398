"""What is refused before anything connects, and how machines are reached."""
