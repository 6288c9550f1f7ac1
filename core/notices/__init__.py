"""Says what happened: keeps events in a journal, and tells them to a program, a webhook and apprise.

It may import `batches`, `state` and the ground floor. It is given no results, so no answer can get into a notice.
"""
