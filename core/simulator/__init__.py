"""A simulator of the Message Batches API: real HTTP on this machine, with made-up answers.

It may import `batches` and the ground floor. No other wing imports it; `tui` starts it for the demo.
"""
