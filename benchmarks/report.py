"""The tables of `benchmarks.compare`, in Markdown: all of it, and what a README shows."""

from __future__ import annotations

import itertools
import re
from dataclasses import astuple, dataclass, field
from pathlib import Path

PLACE = re.compile(r"(<!-- benchmarks\.compare -->\n).*?(<!-- end -->)", re.DOTALL)
FIGURES = ("seconds", "seconds in calls", "calls", "mutating calls")
SHAPES = ("{:.1f}", "{:.1f}", "{:g}", "{:g}")


@dataclass(frozen=True)
class Row:
    """What one run took. `in_calls`: seconds in which at least one call was under way."""

    seconds: float
    in_calls: float
    calls: float
    mutating: float

    @property
    def figures(self) -> tuple[float, ...]:
        return astuple(self)


Tools = dict[str, dict[str, Row]]  # tool -> run -> row; `deployer` comes first


@dataclass
class Report:
    """`latency`: seconds of one call; `chains`: by run; `waits`: by the seconds that things take in the cloud."""

    heading: str
    latency: float
    chains: dict[str, int] = field(default_factory=dict)
    waits: dict[float, Tools] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, wait: float, tools: Tools) -> None:
        self.waits[wait] = tools

    def same_objects(self, objects: dict[str, dict[str, int]]) -> None:
        """Notes whether the tools have made equally many objects of each kind."""
        kinds = sorted(set().union(*objects.values()))
        counts = {kind: [made.get(kind, 0) for made in objects.values()] for kind in kinds}
        differing = [f"{kind} {' / '.join(map(str, each))}" for kind, each in counts.items() if len(set(each)) > 1]
        if len(objects) > 1:
            total = sum(next(iter(objects.values())).values())
            same = f"the same kinds and numbers of objects, {total} in all"
            note = f"After `up` the account held {'not ' * bool(differing)}{same}"
            self._note(f"{note}: {', '.join(differing)} ({' / '.join(objects)})." if differing else f"{note}.")

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def floor(self, run: str) -> float:
        return self.chains[run] * self.latency

    def not_ahead(self) -> list[str]:
        """Where another tool needed as much as deployer, or less."""
        found = []
        for wait, tools in self.waits.items():
            (_, ours), *others = tools.items()
            for (name, theirs), run in itertools.product(others, ours):
                for figure, mine, other in zip(FIGURES, ours[run].figures, theirs[run].figures, strict=True):
                    if mine >= other:
                        how = "level" if mine == other else "behind"
                        found.append(f"{how}: {run}, {figure}: {mine:.4g}, {name} {other:.4g} (waits of {wait:g} s)")
        return found

    def full(self) -> str:
        parts = ["# Compared with Terraform\n", f"{self.heading}.\n"]
        for wait, tools in self.waits.items():
            parts += [f"## A task's start, a drain and a load balancer take {wait:g} s\n", self._table(tools, not wait)]
        if any(len(tools) > 1 for tools in self.waits.values()):
            behind = self.not_ahead()
            parts.append("deployer is ahead in every column." if not behind else "deployer is not ahead in:\n")
            parts.append("".join(f"- {each}\n" for each in behind))
        parts.append("".join(f"- {note}\n" for note in self.notes))
        return "\n".join(part for part in parts if part)

    def _table(self, tools: Tools, floor: bool) -> str:
        """`floor`: where something takes its time in the cloud, the calls alone are no floor."""
        names = ["run", "tool", *FIGURES, *(["chain", "floor, s", "seconds / floor"] if floor else [])]
        lines = [names, ["---"] * len(names)]
        for run, chain in self.chains.items():
            for name, rows in tools.items():
                cells = [run, name, *map(str.format, SHAPES, rows[run].figures)]
                if floor:
                    ratio = rows[run].seconds / self.floor(run)
                    cells += [str(chain), f"{self.floor(run):.2f}", f"{ratio:.1f}"]
                lines.append(cells)
        return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)

    def short(self) -> str:
        """deployer and the first other tool, at the shortest waits."""
        tools = self.waits[min(self.waits)]
        ours, theirs = list(tools.values())[:2]
        lines = [f"{self.heading}; deployer / Terraform:\n", f"| | {' | '.join(FIGURES)} | floor, s |",
                 "|---|---|---|---|---|---|"]  # fmt: skip
        for run in self.chains:
            pairs = zip(ours[run].figures, theirs[run].figures, SHAPES, strict=True)
            cells = [f"{shape.format(mine)} / {shape.format(other)}" for mine, other, shape in pairs]
            lines.append(f"| {run} | {' | '.join(cells)} | {self.floor(run):.2f} |")
        return "\n".join(lines) + "\n"

    def put_into(self, file: Path) -> None:
        """Into the marked place of `file`, if there is something to compare with."""
        if len(self.waits[min(self.waits)]) > 1:
            file.write_text(PLACE.sub(lambda found: found[1] + self.short() + found[2], file.read_text()))
