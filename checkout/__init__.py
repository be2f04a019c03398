"""The application's own repository: read without running it, compared with the data, and brought in step."""
