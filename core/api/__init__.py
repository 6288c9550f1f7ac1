"""How the Message Batches API is called, and what its answers and result lines mean.

It may import `batches` and the ground floor. The SDK is imported in one function of `anthropic_sdk` and nowhere else,
because that takes over a second. Everyone else works with `protocol.Api` and does not know who answers.
"""
