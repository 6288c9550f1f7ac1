"""The default theme. `theme` in config.toml can name any of Textual's instead."""

from textual.theme import Theme

DARK = Theme(
    name="batchtui",
    primary="#5aa9e6",
    secondary="#9d8df1",
    accent="#5aa9e6",
    success="#5aa9e6",
    warning="#e6a93c",
    error="#ef6f6c",
    foreground="#dfe3e8",
    background="#14171c",
    surface="#1a1e25",
    panel="#232932",
    dark=True,
)
"""Blue is good, amber is under way, red is bad."""
