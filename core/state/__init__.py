"""One saved state that any number of processes share, and the archive of submitted rows beside it.

It may import `batches` and the ground floor. It knows neither the API nor what the results mean.
"""
