"""What goes into an image: the build context as `.dockerignore` leaves it, the Dockerfile, and a hash of both."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shlex
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from deployer.errors import ImageError

if TYPE_CHECKING:
    from docker.utils.build import Pattern

OWN = "**/.deployer"  # the state lies beside deploy.yaml, and changes with every run
NEW_FLAGS = {
    "RUN": {"mount", "network", "security", "device"},
    "COPY": {"link", "chmod", "parents", "exclude"},
    "ADD": {"link", "chmod", "checksum", "keep-git-dir", "exclude", "unpack"},
}
NEW_VARIABLE = re.compile(r"(?:BUILD|TARGET)(?:PLATFORM|OS|ARCH|VARIANT)\b")
HEREDOC = re.compile(r"""\d*<<-?(["']?)[A-Za-z_]\w*\1""")
DIRECTIVE = re.compile(r"#\s*(\w+)\s*=\s*(\S.*)")


@dataclass(frozen=True)
class Build:
    """What is built. `dockerfile` is relative to the context, or absolute; `args` may be secret and are not shown."""

    context: Path
    dockerfile: str = "Dockerfile"
    args: dict[str, str] = field(default_factory=dict, repr=False)
    target: str | None = None
    platform: str = "linux/amd64"

    @property
    def dockerfile_path(self) -> Path:
        return self.context / self.dockerfile


def content_hash(build: Build) -> str:
    """16 hex digits over what goes into the image; neither times nor owners count, and no engine is asked."""
    digest = hashlib.sha256()

    def feed(*parts: bytes) -> None:
        for part in parts:
            digest.update(len(part).to_bytes(8, "big") + part)

    recipe = [sorted(build.args.items()), build.target, build.platform]
    feed(dockerfile_bytes(build), json.dumps(recipe).encode())
    for path in sorted(let_through(build)):
        with _reading(build.context / path):
            kind, content = _fingerprint(build.context / path)
        if kind:
            feed(os.fsencode(path), kind, content)
    return digest.hexdigest()[:16]


def _fingerprint(path: Path) -> tuple[bytes, bytes]:
    """The kind of a file and what is in it. Of directories only the empty count: no file tells of them."""
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        return b"link", os.fsencode(os.readlink(path))
    if stat.S_ISDIR(mode):
        return (b"" if any(path.iterdir()) else b"directory"), b""
    if not stat.S_ISREG(mode):
        return b"special", b""
    with path.open("rb") as file:
        content = hashlib.file_digest(file, "sha256").digest()
    return (b"program" if mode & 0o111 else b"file"), content


def archive(build: Build) -> tuple[IO[bytes], str]:
    """The context as a tar file, Dockerfile and `.dockerignore` in any case, and the Dockerfile's name in it."""
    from docker.utils.build import create_archive

    recipe = dockerfile_bytes(build)
    paths = set(let_through(build))
    name, extra = inside(build), []
    if name:
        paths |= {name, ".dockerignore"} if (build.context / ".dockerignore").is_file() else {name}
    else:
        name = f".dockerfile.{hashlib.sha256(recipe).hexdigest()[:16]}"
        ignore = ignore_text(build) or ".dockerignore"
        extra = [(".dockerignore", f"{ignore}\n{name}\n"), (name, recipe.decode("utf-8", "replace"))]
    with _reading(build.context):
        tar = create_archive(root=str(build.context), files=sorted(paths), extra_files=extra)
    return cast(IO[bytes], tar), name


def inside(build: Build) -> str | None:
    """The Dockerfile's path within the context, or None when it lies outside, or is a link that may lead there."""
    if build.dockerfile_path.is_symlink():
        return None
    path = os.path.relpath(os.path.abspath(build.dockerfile_path), os.path.abspath(build.context))
    return None if path.startswith("..") else Path(path).as_posix()


def dockerfile_bytes(build: Build) -> bytes:
    path = build.dockerfile_path
    with _reading(path):
        if not build.context.is_dir():
            what = "is not a directory" if build.context.exists() else "does not exist"
            raise ImageError(f"The build context {build.context} {what}.", "Correct `build.context` in deploy.yaml.")
        if not path.is_file():
            raise ImageError(f"There is no Dockerfile {path}.", "Correct `build.dockerfile` in deploy.yaml.")
        return path.read_bytes()


def ignore_text(build: Build) -> str:
    """The ignore file of this Dockerfile if it has one of its own, else the context's."""
    own = build.dockerfile_path.with_name(f"{build.dockerfile_path.name}.dockerignore")
    path = own if own.is_file() else build.context / ".dockerignore"
    if not path.is_file():
        return ""
    with _reading(path):
        return path.read_bytes().decode("utf-8-sig", "surrogateescape")


def let_through(build: Build) -> Iterator[str]:
    """The paths of the context that are not ignored, with Docker's rule: the last pattern that matches decides."""
    from docker.utils.build import Pattern

    lines = [line.strip() for line in ignore_text(build).splitlines()]
    patterns = [Pattern(line) for line in [*lines, OWN] if line and not line.startswith("#")]
    patterns = [pattern for pattern in patterns if pattern.dirs]
    return _walk(build.context, "", patterns, [False] * len(patterns))


def _walk(root: Path, folder: str, patterns: list[Pattern], above: list[bool]) -> Iterator[str]:
    """`above`: which patterns matched the folder, and so match what is in it. As Docker 23 and later do it, a pattern
    that would change nothing is not tried."""
    with _reading(root / folder), os.scandir(root / folder) as scan:
        entries = list(scan)
    for entry in entries:
        path = f"{folder}/{entry.name}" if folder else entry.name
        ignored, hits = False, []
        for pattern, inherited in zip(patterns, above, strict=True):
            hits.append(inherited or (pattern.exclusion == ignored and _matches(path, pattern.cleaned_pattern)))
            if hits[-1]:
                ignored = not pattern.exclusion
        if not ignored:
            yield path
        if entry.is_dir(follow_symlinks=False) and (not ignored or any(_may_hold(path, p) for p in patterns)):
            yield from _walk(root, path, patterns, hits)


def _matches(path: str, pattern: str) -> bool:
    from docker.utils.fnmatch import fnmatchcase  # docker-py's own Pattern.match takes README for readme

    return bool(fnmatchcase(path, pattern))


def _may_hold(path: str, pattern: Pattern) -> bool:
    """Whether something within the ignored folder `path` may be let through by this exception."""
    depth = path.count("/") + 1
    if not pattern.exclusion or any("**" in part for part in pattern.dirs[:depth]):
        return pattern.exclusion
    return len(pattern.dirs) > depth and _matches(path, "/".join(pattern.dirs[:depth]))


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        place = error.filename or path
        said = error.strerror or error
        raise ImageError(f"Reading the build context, {place}: {said}.",
                         "Make it readable, or name it in .dockerignore.") from error


def needs_buildkit(dockerfile_text: str) -> str | None:
    """The line that the classic builder cannot build, or None."""
    for line in _instructions(dockerfile_text):
        name, _, rest = re.sub(r"(?i)^ONBUILD\s+", "", line).partition(" ")
        name, words = name.upper(), _words(rest)
        flags = {word[2:].partition("=")[0] for word in takewhile(lambda word: word.startswith("--"), words)}
        if (
            name.startswith("#")
            or flags & NEW_FLAGS.get(name, set())
            or (name in NEW_FLAGS and any(HEREDOC.fullmatch(word) for word in words))
            or (name == "FROM" and words and words[0].startswith("--platform=$") and NEW_VARIABLE.search(words[0]))
            or (name == "ARG" and any(NEW_VARIABLE.fullmatch(word) for word in words))
        ):
            return line
    return None


def _words(text: str) -> list[str]:
    """The words of an instruction, quoted text as one word."""
    try:
        return shlex.split(text, posix=False)
    except ValueError:
        return text.split()


def _instructions(text: str) -> Iterator[str]:
    """Each instruction on one line, after the `# syntax=` line if there is one."""
    escape, parts, top = "\\", [], True
    for line in map(str.strip, text.removeprefix("\ufeff").splitlines()):
        directive = DIRECTIVE.fullmatch(line) if top else None
        top = directive is not None
        if directive and directive[1].lower() == "syntax":
            yield line
        elif directive and directive[1].lower() == "escape":
            escape = directive[2]
        if not line or line.startswith("#"):
            continue
        parts.append(line.removesuffix(escape).strip())
        if not line.endswith(escape):
            yield " ".join(parts)
            parts = []
    if parts:
        yield " ".join(parts)
