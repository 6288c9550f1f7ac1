"""Input rows on their way in: read, checked, split into parts and archived. Nothing is sent from here.

It may import `api`, `state`, `batches` and the ground floor. It does not know `results`, which is on the same floor.
"""
