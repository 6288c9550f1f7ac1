"""Where answers go: one module for each kind of output, and what the kinds share.

It may import `results`, `requests` and everything below them. `kinds` loads every kind of output; import it late, so
that a command which writes nothing does not pay for it.
"""
