"""The one door: everything that a front end or a script can do to the batches of one state.

It may import every other wing of `core`; nothing in `core` imports it. `desk.Desk` has a method for each verb.
"""
