"""Keeps text readable on any background, whatever the theme."""

from __future__ import annotations

from textual.color import Color

LEAST_CONTRAST = 3.5
"""Between WCAG 2.2's minimum of 3 for large text and 4.5 for small text."""

_STEPS = 10


def contrast(one: Color, other: Color) -> float:
    """The contrast ratio of two opaque colours, 1 to 21 (https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio)."""
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def legible(front: Color, back: Color) -> Color:
    """`front`, moved towards black or white only as far as needed to be readable on `back`.

    The terminal's own colours are left alone, because their actual values are unknown.
    """
    if front.ansi is not None or back.ansi is not None:
        return front
    away = back.get_contrast_text(1.0)
    shades = (front.blend(away, step / _STEPS) for step in range(_STEPS + 1))
    return next((shade for shade in shades if contrast(shade, back) >= LEAST_CONTRAST), away)


def _luminance(color: Color) -> float:
    red, green, blue = (
        channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4 for channel in color.normalized
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
