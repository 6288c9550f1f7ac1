"""What requests are likely to cost before they are sent, and the limit that the user set on it.

It may import `requests`, `results` and everything below them. It does not know `sending` or `outputs`, so that an
estimate never depends on how a batch goes out.
"""
