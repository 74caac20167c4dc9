"""The verdict on a failed rollout: the cause in a sentence, what to do, and the evidence, on one screen."""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from rich.cells import cell_len, chop_cells

from deployer.verdict.causes import find
from deployer.verdict.evidence import LINES, Evidence, Serving, StoppedTask

WIDTH, HEIGHT = 80, 40
UNKNOWN = "unknown"
TASK = re.compile(r"\((?:task|instance) [\w.-]+\) ?")
ARN = re.compile(r"arn:aws[\w-]*:[\w-]+:[\w-]*:\d*:(?:secret:|log-group:)?")  # what comes before the name
USUAL = ("has started", "has stopped", "has reached a steady state", "has begun draining", "registered", "deregistered",
         "(deployment ")  # fmt: skip


@dataclass(frozen=True)
class Verdict:
    """`cause` is a stable name; with `unknown` there is no advice, and the evidence has to speak for itself."""

    service: str
    revision: str
    serving: Serving | None
    cause: str
    sentence: str
    advice: str
    evidence: Evidence

    def as_json(self) -> dict[str, Any]:
        return {
            "service": self.service,
            "revision": self.revision,
            "serving": asdict(self.serving) if self.serving else None,
            "cause": self.cause,
            "sentence": self.sentence,
            "advice": self.advice,
            "evidence": self.evidence.as_json(),
        }

    def headline(self) -> str:
        if self.serving is None:
            after = "nothing serves"
        elif self.serving.revision == self.revision:
            return f"{self.service}: tasks of {self.revision} stop; {self.serving.running} of it still run"
        else:
            digest = self.serving.digest.removeprefix("sha256:")[:12]
            after = f"{self.serving.revision}{f' (sha256:{digest})' * bool(digest)} still serves"
        return f"{self.service}: the rollout of {self.revision} failed; {after}"

    def lines(self, width: int = WIDTH, height: int = HEIGHT) -> list[str]:
        """As many log lines as the height leaves room for, the newest."""
        facts: list[str] = []
        said = [*wrapped(self.headline(), width, 3), "", *wrapped(self.sentence, width, 4)]
        if self.advice:
            said += ["", *wrapped(f"What to do: {self.advice}", width, 6)]
        known = self.cause != UNKNOWN
        for text, most in self._facts():
            facts += wrapped(ARN.sub("", text) if known else text, width, most, "  ")
        said += ["", *facts]
        room = min(LINES, height - len(said) - 1)
        if self.evidence.log and room > 0:
            said += ["  the last lines of its log:", *(cut(f"  | {text}", width) for text in self.evidence.log[-room:])]
        return said[:height]

    def _facts(self) -> list[tuple[str, int]]:
        """Each with the rows that it may take; the end of a long stopped reason tells most."""
        evidence = self.evidence
        stops = Counter(map(stop, evidence.failed))
        facts = [(_times(text, count), 2 if number else 6) for number, (text, count) in enumerate(stops.most_common(2))]
        targets = Counter(" ".join(filter(None, (one.state, one.reason, one.description))) for one in evidence.targets)
        facts += [(f"targets: {count} {text}", 2) for text, count in targets.most_common(3)]
        facts += [(f"ECS: {evidence.rollout}", 2)] if evidence.rollout else []
        events = Counter(TASK.sub("", text) for text in evidence.events if not any(word in text for word in USUAL))
        facts += [(_times(f"event: {text}", count), 3) for text, count in list(events.items())[:2]]
        return [*facts, *((f"note: {text}", 1) for text in evidence.notes[:2])]


def judge(evidence: Evidence) -> Verdict:
    """Never raises for what others have written, and shows nothing of it untamed."""
    evidence = evidence.tamed()
    found = find(evidence)
    about = (evidence.service, evidence.revision, evidence.serving)
    if found is None:
        return Verdict(*about, UNKNOWN, "The cause is none that deployer knows. This is what AWS tells:", "", evidence)
    return Verdict(*about, found.name, found.sentence, found.advice, evidence)


def stop(task: StoppedTask) -> str:
    said = [": ".join(filter(None, (task.stop_code, task.stopped_reason))) or "stopped"]
    for one in task.containers:
        code = "" if one.exit_code is None else f"exit code {one.exit_code}"
        reason = "" if one.reason in task.stopped_reason else one.reason
        told = ", ".join(filter(None, (reason, code)))
        said += [f"{one.name}: {told}"] if told else []
    return f"task stopped: {'; '.join(said)}"


def _times(text: str, count: int) -> str:
    return text if count == 1 else f"{count} times: {text}"


def wrapped(text: str, width: int, most: int, indent: str = "") -> list[str]:
    """At most so many rows; what does not fit is cut."""
    rows = textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=indent and indent + "  ",
                         break_on_hyphens=False, max_lines=most, placeholder=" ...")  # fmt: skip
    return [cut(row, width) for row in rows]


def cut(text: str, width: int) -> str:
    """Letters may be two columns wide."""
    return text if cell_len(text) <= width else chop_cells(text, width - 1)[0] + "…"
