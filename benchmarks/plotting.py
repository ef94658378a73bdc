"""A plot of what each turn costs, as an SVG made by hand: logarithmic in cost, linear in turns."""

from __future__ import annotations

import html
import math
import statistics

COLOURS = ("#0b6e4f", "#66c2a5", "#444444", "#999999", "#d95f02", "#e7298a", "#7570b3", "#a6761d", "#1f78b4", "#b2182b")
LEFT, TOP, WIDTH, HEIGHT, GAP, LEGEND = 70, 50, 430, 330, 80, 190
SMOOTHED_TURNS = 15


def plot(panels: dict[str, dict[str, list[float]]]) -> str:
    """``panels``: title -> name -> cost of each turn in milliseconds."""
    total = LEFT + len(panels) * (WIDTH + GAP) + LEGEND
    names = list(dict.fromkeys(name for lines in panels.values() for name in lines))
    colours = {name: COLOURS[index % len(COLOURS)] for index, name in enumerate(names)}
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total} {TOP + HEIGHT + 60}" font-family="sans-serif" font-size="12">',
        f'<rect width="{total}" height="{TOP + HEIGHT + 60}" fill="white"/>',
    ]
    for index, (title, lines) in enumerate(panels.items()):
        parts += _panel(LEFT + index * (WIDTH + GAP), title, lines, colours)
    for index, name in enumerate(names):
        x, y = total - LEGEND - 20, TOP + 14 + index * 20
        parts.append(
            f'<line x1="{x}" x2="{x + 22}" y1="{y - 4}" y2="{y - 4}" stroke="{colours[name]}" stroke-width="3"/>'
        )
        parts.append(f'<text x="{x + 28}" y="{y}">{html.escape(name)}</text>')
    return "\n".join([*parts, "</svg>\n"])


def _panel(left: int, title: str, lines: dict[str, list[float]], colours: dict[str, str]) -> list[str]:
    smooth = {name: _smoothed(costs) for name, costs in lines.items() if len(costs) >= SMOOTHED_TURNS}
    points = [cost for costs in smooth.values() for _, cost in costs] or [1.0]
    low, high = math.floor(math.log10(min(points))), math.ceil(math.log10(max(points)) + 1e-9)
    high = max(high, low + 1)
    turns = max((len(costs) for costs in lines.values()), default=1)

    def x(turn: float) -> float:
        return round(left + turn / turns * WIDTH, 1)

    def y(cost: float) -> float:
        return round(TOP + HEIGHT - (math.log10(cost) - low) / (high - low) * HEIGHT, 1)

    parts = [f'<text x="{left}" y="{TOP - 16}" font-size="14" font-weight="bold">{html.escape(title)}</text>']
    for power in range(low, high + 1):
        at = y(10.0**power)
        parts.append(f'<line x1="{left}" x2="{left + WIDTH}" y1="{at}" y2="{at}" stroke="#dddddd"/>')
        parts.append(f'<text x="{left - 8}" y="{at + 4}" text-anchor="end">{10.0**power:g} ms</text>')
    for share in range(6):
        turn = turns * share // 5
        parts.append(f'<text x="{x(turn)}" y="{TOP + HEIGHT + 18}" text-anchor="middle">{turn}</text>')
    parts.append(f'<text x="{left + WIDTH / 2}" y="{TOP + HEIGHT + 38}" text-anchor="middle">turn</text>')
    for name, costs in smooth.items():
        path = " ".join(f"{x(turn)},{y(cost)}" for turn, cost in costs)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colours[name]}" stroke-width="2"/>')
    return parts


def _smoothed(costs: list[float]) -> list[tuple[float, float]]:
    """Medians of neighbouring turns: (turn in their middle, cost)."""
    groups = [costs[start : start + SMOOTHED_TURNS] for start in range(0, len(costs), SMOOTHED_TURNS)]
    whole = [(index, group) for index, group in enumerate(groups) if len(group) == SMOOTHED_TURNS]
    return [((index + 0.5) * SMOOTHED_TURNS, max(statistics.median(group), 1e-4)) for index, group in whole]
