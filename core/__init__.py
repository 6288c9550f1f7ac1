"""Everything about batches: records, state, the API, results. Nothing here touches a terminal."""
