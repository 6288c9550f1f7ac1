"""The Message Batches API on loopback, over real HTTP: for `batchtui demo`, for tests, for trying things without a key.

It is made up and says so: answers are simulated, no model is asked, nothing costs anything.
"""
