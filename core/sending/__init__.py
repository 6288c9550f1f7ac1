"""Each batch sent exactly once: the intent, the one POST, and settling an unknown outcome by the API's list.

It may import `requests`, `results` and everything below them. It does not know `cost` or `outputs`.
"""
