"""Draws batches and results. Knows nothing of the application, the state file or the API."""
