"""The program ended with an error, and its log names the reason: what servers and languages print."""

from __future__ import annotations

from deployer.verdict.causes.cause import Cause, Outlook, Words, both, exited, given, logged
from deployer.verdict.evidence import Evidence

DENIED = r"Permission denied|EACCES"
VARIABLE = r"(?-i:\b(?!(?:FATAL|CRITICAL|ERROR|ERR|WARN|WARNING|INFO|DEBUG|GET|POST|HTTP)\b)[A-Z][A-Z0-9_]{2,})"


def program(name: str, pattern: str, sentence: str, advice: str, outlook: Outlook = "doubtful") -> Cause:
    """`sentence` may end in {what}, for what the pattern has caught in a group."""

    def sign(evidence: Evidence) -> Words | None:
        found = both(exited(), logged(pattern))(evidence)
        return None if found is None else {"what": "".join(f": {value}" for value in list(found.values())[:1])}

    return Cause(name, sign, sentence, advice, outlook)


CAUSES = (
    program(
        "heap-exhausted",
        r"JavaScript heap out of memory|java\.lang\.OutOfMemoryError|MemoryError$|Cannot allocate memory",
        "{service} ran out of memory within its {memory} MiB.",
        "Set `services.{service}.memory: {more_memory}` in deploy.yaml, or a smaller heap (NODE_OPTIONS="
        "--max-old-space-size, -XX:MaxRAMPercentage) in `environment`.",
    ),
    program(
        "address-in-use",
        r"Address already in use|EADDRINUSE|address in use|Connection in use: \(",
        "Two programs in the container want the same port: the address is already in use.",
        "Start the server once: look for a second start in the entrypoint script and in `services.{service}.command`.",
    ),
    program(
        "port-not-permitted",
        r"(?:\bbind|\blisten|0\.0\.0\.0|\[::\]).{0,60}(?:Permission denied|EACCES)|Can't connect to \('0\.0\.0\.0'|"
        r"(?:Permission denied|EACCES).{0,40}(?:0\.0\.0\.0|\[::\])",
        "{user} may not listen on a port below 1024.",
        "Let the program listen on a port such as 8080 and set `services.{service}.port: 8080` (the load balancer may "
        "keep 80), or leave `user` out.",
    ),
    Cause(
        "read-only-files",
        both(exited(), given(lambda evidence: evidence.facts.read_only),
             logged(r"Read-only file system:?\s*:?\s*['\"]?(?P<file>/[^'\"\s]*)?|EROFS")),
        "{service} wants to write, and its root file system is read-only (`read_only: true`).",
        "Add the directory to `services.{service}.tmpfs` (a list; /tmp is there by itself), or set `read_only: false`.",
    ),
    program(
        "module-missing",
        r"(?:ModuleNotFoundError|ImportError): No module named '?(?P<module>[\w.-]+)|"
        r"Cannot find (?:module|package) '(?P<package>[^']+)'",
        "A module that {service} imports is not in the image {image}{what}.",
        "Add it to requirements.txt (or package.json) and to what the Dockerfile copies: "
        "`docker build --no-cache`, then `deployer up`; the log below names it.",
    ),
    program(
        "library-missing",
        r"error while loading shared libraries: (?P<library>[\w.+-]+)|cannot open shared object file|"
        r"version `GLIBC\w* not found",
        "A shared library is missing in the image {image}, or its libc is not the one it was built with{what}.",
        "Install it in the last stage of the Dockerfile (`RUN apt-get install`, `RUN apk add`), and build and run on "
        "the same base: a program built on Debian does not run on Alpine.",
        "hopeless",
    ),
    program(
        "variable-missing",
        r"KeyError: '(?P<variable>(?-i:[A-Z][A-Z0-9_]+))'|"
        rf"(?P<name>{VARIABLE})\b.{{0,30}}(?:(?:is )?not set|is (?:required|missing|undefined)|must be set)|"
        r"(?:missing|required).{0,40}environment variable",
        "{service} misses an environment variable{what}.",
        "Add the one that the log below names to `services.{service}.environment`, or to `services.{service}.secrets` "
        "if it is secret.",
    ),
    program(
        "login-refused",
        r"password authentication failed|Access denied for user|WRONGPASS|NOAUTH|Authentication failed|"
        r"invalid username-password pair|SASL authentication failed",
        "A database or another server refused the password of {service}.",
        "Compare the secret under `services.{service}.secrets` with what that server expects; tasks read a secret's "
        "value when they start, so run `deployer up` after a change.",
    ),
    program(
        "name-not-resolved",
        r"Name or service not known|Temporary failure in name resolution|getaddrinfo (?:ENOTFOUND|EAI_AGAIN)|"
        r"no such host|could not translate host name|nodename nor servname",
        "{service} wants to reach a host whose name does not exist.",
        "Another service of the stack is named by a reference in `environment`: \"${{services.NAME.host}}\", not by "
        "its Compose name. The log below names the host.",
        "passing",
    ),
    program(
        "not-connected",
        r"Connection refused|ECONNREFUSED|could not connect|Can't connect to|ETIMEDOUT|Connection timed out|"
        r"No route to host|ConnectTimeout|Connection to .{1,80} timed out",
        "{service} could not connect to another server, and gave up.",
        "Another service: name it by \"${{services.NAME.host}}\" in `environment`, which also opens the way to it. A "
        "server outside the VPC: its port must be in `services.{service}.egress`. Let the program try "
        "again for a while.",
        "passing",
    ),
    program(
        "application-missing",
        r"Failed to find attribute '(?P<name>\w+)' in|Could not import '?(?P<module>[\w.]+)|"
        r"Attribute \W(?P<attribute>\w+)\W not found in module",
        "The server of {service} did not find the application that it is to serve{what}.",
        "Correct MODULE:NAME in `services.{service}.command`, or in the image's CMD; the module must be in the image's "
        "working directory (WORKDIR).",
    ),
    program(
        "file-missing",
        r"No such file or directory|ENOENT|FileNotFoundError|can't open file '(?P<file>[^']+)'",
        "{service} misses a file that is not in the image {image}{what}.",
        "Look at COPY and WORKDIR in the Dockerfile and at .dockerignore; `docker run --rm --entrypoint ls {image} "
        "-la` shows what is there, and the log below names the file.",
    ),
    program(
        "file-not-permitted",
        DENIED,
        "{service} may not read or write a file as {user}.",
        "Give the file to that user in the Dockerfile (`COPY --chown=`, `RUN chown`), or set "
        "`services.{service}.user`; the log below names the file.",
    ),
)  # fmt: skip
