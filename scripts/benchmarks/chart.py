"""Finality against offered rate as a picture: an SVG that any browser opens, of plain shapes and no library."""

import math
from collections.abc import Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 860, 480
LEFT, RIGHT, TOP, BOTTOM = 78, 36, 60, 64
SERIES = (("p50", "#1f6feb"), ("p99", "#d1410c"))
STYLE = "font-family='system-ui, sans-serif' font-size='13' fill='#24292f'"
HALO = "paint-order='stroke' stroke='#ffffff' stroke-width='4'"
"""So that a number can be read where a line crosses it."""
LATE = "not in time"
DECADE_STEPS = (1, 2, 5)


def draw(title: str, loads: Sequence[Mapping[str, Any]], full_tps: float) -> str:
    """The SVG.

    :param loads: each with ``offered_tps`` and ``finality_ms`` of p50 and p99; None: not final in time, marked above.
    :param full_tps: the rate at full load, marked by a line.
    """
    points = {
        name: [
            (float(load["offered_tps"]), float(load["finality_ms"][name]))
            for load in loads
            if load["finality_ms"][name] is not None
        ]
        for name, _ in SERIES
    }
    rates = [rate for found in points.values() for rate, _ in found] + [full_tps]
    times = [value for found in points.values() for _, value in found] or [1.0]
    right = _above(max(rates) * 1.04)
    low, high = _below_decade(min(times)), _above_decade(max(times))

    def x_of(rate: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * rate / right

    def y_of(value: float) -> float:
        part = (math.log10(value) - math.log10(low)) / (math.log10(high) - math.log10(low))
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * part

    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {HEIGHT}' width='{WIDTH}' height='{HEIGHT}'>",
        f"<title>{escape(title)}</title>",
        f"<rect width='{WIDTH}' height='{HEIGHT}' fill='#ffffff'/>",
        f"<text x='{LEFT}' y='26' {STYLE} font-weight='600'>{escape(title)}</text>",
    ]
    for value in _decades(low, high):
        y = y_of(value)
        parts.append(f"<line x1='{LEFT}' x2='{WIDTH - RIGHT}' y1='{y:.1f}' y2='{y:.1f}' stroke='#d8dee4'/>")
        parts.append(f"<text x='{LEFT - 8}' y='{y + 4:.1f}' {STYLE} text-anchor='end'>{value:,.0f}</text>")
    for number in range(6):
        rate = right * number / 5
        x = x_of(rate)
        parts.append(f"<line x1='{x:.1f}' x2='{x:.1f}' y1='{TOP}' y2='{HEIGHT - BOTTOM}' stroke='#eaeef2'/>")
        parts.append(f"<text x='{x:.1f}' y='{HEIGHT - BOTTOM + 20}' {STYLE} text-anchor='middle'>{rate:,.0f}</text>")
    x = x_of(full_tps)
    parts += [
        f"<line x1='{x:.1f}' x2='{x:.1f}' y1='{TOP}' y2='{HEIGHT - BOTTOM}' stroke='#57606a' stroke-dasharray='5 4'/>",
        f"<text x='{x - 6:.1f}' y='{HEIGHT - BOTTOM - 8}' {STYLE} {HALO} text-anchor='end'>"
        f"full load: {full_tps:,.0f}/s</text>",
        f"<text x='{(LEFT + WIDTH - RIGHT) / 2}' y='{HEIGHT - 16}' {STYLE} text-anchor='middle'>"
        "offered, transactions a second</text>",
        f"<text transform='translate(20 {(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)' {STYLE} text-anchor='middle'>"
        "finality, ms (logarithmic)</text>",
    ]
    for index, (name, colour) in enumerate(SERIES):
        places = [(x_of(rate), y_of(value)) for rate, value in points[name]]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f"<polyline points='{line}' fill='none' stroke='{colour}' stroke-width='2'/>")
        parts += [f"<circle cx='{x:.1f}' cy='{y:.1f}' r='3.5' fill='{colour}'/>" for x, y in places]
        at = LEFT + index * 80
        parts.append(f"<line x1='{at}' x2='{at + 24}' y1='44' y2='44' stroke='{colour}' stroke-width='2'/>")
        parts.append(f"<text x='{at + 30}' y='48' {STYLE}>{name}</text>")
    for name, colour in SERIES:
        for rate, value in points[name]:
            label = f"<text x='{x_of(rate):.1f}' y='{y_of(value) - 9:.1f}' {STYLE} {HALO} text-anchor='middle'>"
            parts.append(f"{label}{value:,.0f}</text>")
        for load in loads:
            if load["finality_ms"][name] is None:
                x = x_of(float(load["offered_tps"]))
                cross = f"M{x - 5:.1f} {TOP + 4} l10 10 m0 -10 l-10 10"
                parts.append(f"<path d='{cross}' stroke='{colour}' stroke-width='2'/>")
                parts.append(f"<text x='{x:.1f}' y='{TOP + 28}' {STYLE} {HALO} text-anchor='middle'>{LATE}</text>")
    parts.append("</svg>")
    return "\n".join(parts) + "\n"


def _above(value: float) -> float:
    """The next round number."""
    step = 10.0 ** math.floor(math.log10(value)) / 2
    return step * math.ceil(value / step)


def _decades(low: float, high: float) -> list[float]:
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    values = [step * 10.0**exponent for exponent in exponents for step in DECADE_STEPS]
    return [value for value in values if low <= value <= high]


def _below_decade(value: float) -> float:
    return max(found for found in _decades(value / 10, value) if found <= value)


def _above_decade(value: float) -> float:
    return min(found for found in _decades(value, value * 10 * 1.01) if found > value)
