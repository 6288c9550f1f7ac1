"""What a batch is, what it allows, what it costs, and what comes next.

Everything here is pure: frozen records, and functions that decide from them and from `now`. It may import only the
ground floor of `core` (errors, text, clock and the like), so that all other packages of `core`, and `widgets`, can
build on it.
"""
