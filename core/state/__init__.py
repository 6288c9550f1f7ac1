"""The saved state, which any number of processes share, and beside it the archive of submitted rows.

It may import `batches` and the ground floor. It knows nothing of the API or of what the results mean.
"""
