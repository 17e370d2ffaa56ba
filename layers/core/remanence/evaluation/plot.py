"""A picture of recall by budget, as SVG without a library. Pure."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_WIDTH, _HEIGHT, _MARGIN = 640, 400, 56
_COLOURS = ("#1f6feb", "#d1242f", "#1a7f37", "#8250df", "#bc4c00", "#57606a")


def plot_curves(title: str, labels: Sequence[str], curves: Mapping[str, Sequence[float]]) -> str:
    """One line per curve over common labels.

    Args:
        title: above the picture.
        labels: of the places on the horizontal axis; at least two.
        curves: a share from 0 to 1 for each label, by name.
    """
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}"'
        f' font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>',
        f'<text x="{_MARGIN}" y="24" font-size="15">{escape(title)}</text>',
        *_axes(labels),
    ]
    for number, (name, shares) in enumerate(curves.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        points = " ".join(
            f"{_x(place, len(labels)):.1f},{_y(share):.1f}" for place, share in enumerate(shares)
        )
        parts += [
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>',
            f'<text x="{_WIDTH - _MARGIN - 180}" y="{_HEIGHT - _MARGIN - 12 - 16 * number}"'
            f' fill="{colour}">{escape(name)}: {shares[-1]:.1%}</text>',
        ]
    return "\n".join([*parts, "</svg>", ""])


def _axes(labels: Sequence[str]) -> list[str]:
    parts: list[str] = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts += [
            f'<line x1="{_MARGIN}" x2="{_WIDTH - 20}" y1="{_y(share)}" y2="{_y(share)}"'
            f' stroke="#d0d7de"/>',
            f'<text x="{_MARGIN - 8}" y="{_y(share) + 4}" text-anchor="end">{share:.0%}</text>',
        ]
    for place, label in enumerate(labels):
        parts.append(
            f'<text x="{_x(place, len(labels)):.1f}" y="{_HEIGHT - _MARGIN + 20}"'
            f' text-anchor="middle">{escape(label)}</text>'
        )
    return parts


def _x(place: int, count: int) -> float:
    return _MARGIN + 20 + place * (_WIDTH - _MARGIN - 60) / max(1, count - 1)


def _y(share: float) -> float:
    return _HEIGHT - _MARGIN - share * (_HEIGHT - 2 * _MARGIN)
