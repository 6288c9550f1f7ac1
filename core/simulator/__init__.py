"""A simulator of the Message Batches API: real HTTP, on this machine only.

It is made up and says so: answers are simulated, no model is asked, nothing costs anything. It is used by
`batchtui demo`, by the tests, and for trying things without a key.

It may import the floors below it: it judges rows by the check of `requests`, and models by `cost`, so that what fails
here is what the check finds. Nothing else in core imports it; `tui` starts it for the demo.
"""
