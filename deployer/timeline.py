"""Where the time of a run went: a line for the end of `up`, and a chart as a page of its own. Listens to the events."""

from __future__ import annotations

import html
import time
from collections.abc import Mapping
from dataclasses import dataclass

from deployer.events import Event

PARTS = {
    "images": ("repository", "image", "pin"),
    "load balancers": ("load-balancer", "target-group", "listener"),
    "roles and secrets": ("role", "secret", "log-group"),
    "cluster": ("cluster",),
}
WORTH = 3.0  # seconds that a run must take for its times to be told
BESIDE = 0.5  # of its time: how much of a part has to lie within others to be called beside them
ROW, LEFT, WIDE = 20, 260, 1180  # pixels
COLOURS = {"create": "#2e7d4f", "update": "#b07a00", "replace": "#8a3ab9", "delete": "#b3363e", "keep": "#7a8194",
           "prepare": "#1f6fb2"}  # fmt: skip


@dataclass(frozen=True)
class Span:
    """Seconds since the run began."""

    key: str
    action: str
    start: float
    end: float

    @property
    def seconds(self) -> float:
        return self.end - self.start

    @property
    def part(self) -> str:
        type, _, name = self.key.partition(".")
        if type in ("service", "release", "task-definition"):
            return name
        return next((part for part, types in PARTS.items() if type in types), "network")


class Timeline:
    """`needs`: what each step waits for."""

    def __init__(self, needs: Mapping[str, set[str]]) -> None:
        self.needs = needs
        self.spans: dict[str, Span] = {}
        self._began = time.monotonic()
        self._prepared: dict[str, float] = {}

    def hear(self, event: Event) -> None:
        if event.action == "prepare":
            self._prepare(event.key)
        elif event.event in ("done", "failed"):
            end = time.monotonic() - self._began
            self.spans[event.key] = Span(event.key, event.action, max(end - event.seconds, 0.0), end)

    def _prepare(self, key: str) -> None:
        moment = time.monotonic() - self._began
        start = self._prepared.setdefault(key, moment)
        self.spans[f"{key} (build)"] = Span(f"{key} (build)", "prepare", start, moment)

    def chain(self) -> list[Span]:
        """From the step that ended last back through what each waited for longest; in the order of time."""
        rest = [span for span in self.spans.values() if span.action != "prepare"]
        if not rest:
            return []
        path = [max(rest, key=lambda span: span.end)]
        while before := [self.spans[key] for key in self.needs.get(path[-1].key, ()) if key in self.spans]:
            path.append(max(before, key=lambda span: span.end))
        return path[::-1]

    def sentence(self) -> str:
        """`network 9 s · images 41 s (beside it) · web 71 s; the longest chain was vpc.main → ... (120 s)`."""
        parts: dict[str, list[Span]] = {}
        for span in sorted(self.spans.values(), key=lambda span: span.start):
            parts.setdefault(span.part, []).append(span)
        times = {part: (spans[0].start, max(one.end for one in spans)) for part, spans in parts.items()}
        said = [self._part(part, times) for part, (start, end) in times.items() if end - start >= 0.5]
        links = [span for span in self.chain() if span.seconds >= 0.3]
        if not said or not links or max(end for _, end in times.values()) < WORTH:
            return ""
        chain = " → ".join(f"{span.key} {span.seconds:.0f} s" for span in links[-5:])
        return f"{' · '.join(said)}; the longest chain was {'… → ' if len(links) > 5 else ''}{chain}"

    @staticmethod
    def _part(part: str, times: dict[str, tuple[float, float]]) -> str:
        start, end = times[part]
        others = [span for other, span in times.items() if other != part and span[0] <= start and span != (start, end)]
        shared = max((min(end, other_end) - start for _, other_end in others), default=0.0)
        beside = " (beside it)" if shared >= BESIDE * (end - start) and end - start >= 1 else ""
        return f"{part} {end - start:.0f} s{beside}"

    def page(self, title: str) -> str:
        """A self-contained HTML page; the longest chain is outlined."""
        spans = sorted(self.spans.values(), key=lambda span: (span.start, span.end))
        total = max((span.end for span in spans), default=1.0) or 1.0
        on_chain = {span.key for span in self.chain()}
        rows = [_row(index, span, total, span.key in on_chain) for index, span in enumerate(spans)]
        height = (len(spans) + 2) * ROW
        head = html.escape(title)
        return PAGE.format(title=head, sentence=html.escape(self.sentence()), width=WIDE, height=height,
                           scale=_scale(total, height), rows="\n".join(rows))  # fmt: skip


def _row(index: int, span: Span, total: float, on_chain: bool) -> str:
    x, y = LEFT + span.start / total * (WIDE - LEFT - 60), (index + 1) * ROW
    width = max(span.seconds / total * (WIDE - LEFT - 60), 2)
    key, edge = html.escape(span.key), ' class="chain"' if on_chain else ""
    return (
        f'<text x="{LEFT - 8}" y="{y + 13}" text-anchor="end">{key}</text>'
        f'<rect x="{x:.1f}" y="{y + 3}" width="{width:.1f}" height="{ROW - 6}" rx="3" '
        f'fill="{COLOURS.get(span.action, "#888")}"{edge}>'
        f"<title>{key}: {span.action}, {span.seconds:.1f} s</title></rect>"
        f'<text x="{x + width + 5:.1f}" y="{y + 13}" class="soft">{span.seconds:.1f} s</text>'
    )


def _scale(total: float, height: int) -> str:
    step = next((one for one in (0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600) if total / one <= 12), 1800)
    marks = [number * step for number in range(int(total / step) + 1)]
    lines = []
    for mark in marks:
        x = LEFT + mark / total * (WIDE - LEFT - 60)
        lines.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="16" y2="{height}"/>'
                     f'<text x="{x:.1f}" y="12" class="soft" text-anchor="middle">{mark:g} s</text>')  # fmt: skip
    return "\n".join(lines)


PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>{title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem; }}
h1 {{ font-size: 1.4rem; }}
svg {{ width: 100%; height: auto; }}
svg text {{ font: 12px system-ui, sans-serif; fill: CanvasText; }}
svg .soft {{ opacity: .65; }}
svg line {{ stroke: CanvasText; opacity: .12; }}
svg .chain {{ stroke: CanvasText; stroke-width: 2; }}
</style></head><body>
<h1>{title}</h1>
<p>{sentence}</p>
<svg viewBox="0 0 {width} {height}" role="img" aria-label="{title}">
{scale}
{rows}
</svg>
<p>Outlined: the longest chain, each step of which waited for the one before.</p>
</body></html>
"""
