"""Where answers go: one module for each kind of output, and what the kinds share.

It may import `results`, `requests` and everything below them. `kinds` loads every kind of output, so import it late:
a command that writes nothing should not pay for it.
"""
