"""Results on their way back: downloaded, verified, summarised, and read again by row.

It may import `api`, `state`, `batches` and the ground floor. It does not know `requests`, which is on the same floor;
the archived ids that results are matched against come from `state.archive`.
"""
