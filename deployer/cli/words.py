"""Commands that carry another command: `deployer run web --detach -- sh -c "..."`."""

from __future__ import annotations

import click


class Carrier(click.Command):
    """deployer's own options may stand before and after SERVICE; from the first other word, or `--`, all is COMMAND."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        before, rest, ended = self._own(args)
        if not rest:
            return super().parse_args(ctx, before)
        after, command, _ = ([], rest[1:], True) if ended else self._own(rest[1:])
        return super().parse_args(ctx, [*before, *after, "--", rest[0], *command])

    def _own(self, words: list[str]) -> tuple[list[str], list[str], bool]:
        """The leading options with their values, the words after them, and whether `--` stood between."""
        valued: set[str] = set()
        for parameter in self.params:
            if isinstance(parameter, click.Option) and not parameter.is_flag and not parameter.count:
                valued |= {*parameter.opts}
        index = 0
        while index < len(words) and words[index].startswith("-") and words[index] != "-":
            if words[index] == "--":
                return words[:index], words[index + 1 :], True
            index += 2 if words[index] in valued else 1
        return words[:index], words[index:], False
