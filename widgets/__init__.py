"""Draws batches and results. Knows no application, state file or API."""
