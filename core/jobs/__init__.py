"""Job files: where rows come from, how they become requests, and where answers go."""
