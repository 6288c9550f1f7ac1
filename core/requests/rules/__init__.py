"""The rules for a request that no type says, a module a subject, each with the page that documents it.

A rule sees a `Request` and yields the flaws it finds. It must bear any shape: what has the wrong type is none of its
business, because `requests.shapes` says so.
"""
