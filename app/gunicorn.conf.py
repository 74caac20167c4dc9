"""Gunicorn's settings. Nothing is written outside /dev/shm: the root file system may be read-only."""  # noqa: N999

import logging

bind = "0.0.0.0:8080"
worker_class = "gthread"
workers = 2
threads = 8
worker_tmp_dir = "/dev/shm"
control_socket_disable = True

timeout = 30
graceful_timeout = 20  # ECS kills 30 s after its SIGTERM
keepalive = 75  # longer than the load balancer's 60 s: the balancer closes idle connections, never the app

accesslog = "-"
access_log_format = '%(h)s "%(r)s" %(s)s %(b)s %(M)sms "%({x-forwarded-for}i)s"'


def _worth_a_line(record: logging.LogRecord) -> bool:
    # Health checks that went well would drown the rest.
    atoms = record.args
    return not (isinstance(atoms, dict) and atoms.get("U") == "/healthz" and atoms.get("s") == "200")


def post_worker_init(worker):  # type: ignore[no-untyped-def]
    worker.log.access_log.addFilter(_worth_a_line)
