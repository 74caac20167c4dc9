"""The program ran and ended by itself: what its exit code says."""

from __future__ import annotations

from deployer.verdict.causes.cause import Cause, either, exited, said

OUT_OF_MEMORY = Cause(
    "out-of-memory",
    said(r"OutOfMemory"),
    "{service} was killed because it used more than its {memory} MiB of memory.",
    "Set `services.{service}.memory: {more_memory}` in deploy.yaml (with a `cpu` that goes with it), or let the "
    "program use less: fewer workers, a smaller heap.",
)

CAUSES = (
    Cause(
        "exit-0",
        exited(0),
        "{service} ended without an error (exit code 0): a service must keep running.",
        "Start the server in the foreground: no `&`, no --daemon; a shell as CMD ends at once without a terminal. For "
        "nginx: `nginx -g 'daemon off;'`. The command is `services.{service}.command`, else the image's CMD.",
    ),
    Cause(
        "exit-127",
        exited(127),
        "The shell in {image} did not find the command that it was to run (exit code 127).",
        "Correct `services.{service}.command` or the script it runs; `docker run --rm -it --entrypoint sh {image}` "
        "shows what is installed and where.",
        "hopeless",
    ),
    Cause(
        "exit-137",
        exited(137),
        "{service} was killed (exit code 137, SIGKILL), and ECS does not say that its memory ran out.",
        "Look whether a child of it was killed for memory: try `services.{service}.memory: {more_memory}`. Otherwise "
        "the program, or a supervisor in the image, kills itself.",
    ),
    Cause(
        "exit-139",
        either(exited(139), exited(135)),
        "{service} crashed on an invalid memory access (exit code {code}, SIGSEGV or SIGBUS).",
        "Run `docker run --rm --platform {platform} {image}`: a native library built for another CPU or another libc "
        "(Alpine's musl) is the usual cause; rebuild with `docker build --no-cache --pull`.",
    ),
    Cause(
        "exit-134",
        exited(134),
        "{service} aborted itself (exit code 134, SIGABRT): a failed assertion, or its runtime gave up.",
        "{log}. A heap that is too small is mended by `services.{service}.memory: {more_memory}`.",
    ),
    Cause(
        "exit-143",
        either(exited(143), exited(130)),
        "{service} was ended by a signal (exit code {code}) that ECS did not send.",
        "Something inside the container stopped it: a supervisor, an entrypoint script, or the program's own watchdog; "
        "`docker run --rm {image}` shows whether it does so on your machine. {log}.",
    ),
    Cause(
        "usage-error",
        either(exited(2), exited(64)),
        "{service} did not accept its command line (exit code {code}).",
        "Check `services.{service}.command` in deploy.yaml against the program's own --help. {log}.",
    ),
    Cause(
        "exit-code",
        exited(),
        "{service} ends with exit code {code} after its start.",
        "{log}; `docker run --rm {image}` with the same `environment` shows it on your machine.",
    ),
)
