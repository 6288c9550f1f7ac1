"""Knows batches: records, state, the API, results. No terminal in here."""
