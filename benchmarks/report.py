"""The tables of `benchmarks.compare`, in Markdown: all of it, and what a README shows."""

from __future__ import annotations

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
        """Notes of which kind of object the tools have not made equally many."""
        for kind in sorted(set().union(*objects.values())):
            counts = {name: made.get(kind, 0) for name, made in objects.items()}
            if len(set(counts.values())) > 1:
                self._note(f"Not the same: {kind}: " + ", ".join(f"{name} {count}" for name, count in counts.items()))
        if len(objects) > 1:
            _, made = next(iter(objects.items()))
            self._note(f"After `up` the account held {sum(made.values())} listed objects with deployer.")

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def floor(self, run: str) -> float:
        return self.chains[run] * self.latency

    def not_ahead(self) -> list[str]:
        """Where another tool needed as much as deployer, or less."""
        found = []
        for wait, tools in self.waits.items():
            ours = next(iter(tools.values()))
            for name, theirs in list(tools.items())[1:]:
                for run, row in ours.items():
                    for figure, mine, other in zip(FIGURES, row.figures, theirs[run].figures, strict=True):
                        how = "level" if mine == other else "behind"
                        if mine >= other:
                            found.append(f"{how}: {run}, {figure}: {mine:g}, {name} {other:g} (waits of {wait:g} s)")
        return found

    def full(self) -> str:
        parts = ["# Compared with Terraform\n", f"{self.heading}.\n"]
        for wait, tools in self.waits.items():
            parts += [f"## A task's start, a drain and a load balancer take {wait:g} s\n", self._table(tools)]
        if any(len(tools) > 1 for tools in self.waits.values()):
            behind = self.not_ahead()
            parts.append("deployer is ahead in every column." if not behind else "deployer is not ahead in:\n")
            parts.append("".join(f"- {each}\n" for each in behind))
        parts.append("".join(f"- {note}\n" for note in self.notes))
        return "\n".join(part for part in parts if part)

    def _table(self, tools: Tools) -> str:
        lines = ["| run | tool | seconds | in calls | calls | mutating | chain | floor | seconds / floor |",
                 "|---|---|---|---|---|---|---|---|---|"]  # fmt: skip
        for run, chain in self.chains.items():
            for name, rows in tools.items():
                row = rows[run]
                lines.append(
                    f"| {run} | {name} | {row.seconds:.1f} | {row.in_calls:.1f} | {row.calls:g} | {row.mutating:g} | "
                    f"{chain if name == 'deployer' else ''} | {self.floor(run):.2f} | "
                    f"{row.seconds / self.floor(run):.1f} |"
                )
        return "\n".join(lines) + "\n"

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
        if len(self.waits[min(self.waits)]) < 2:
            return
        text = file.read_text()
        if not PLACE.search(text):
            raise SystemExit(f"{file} has no place marked for the table")
        file.write_text(PLACE.sub(lambda found: found[1] + self.short() + found[2], text))
