"""How gunicorn is to run the service: `gunicorn -c python:redisq_api.server`.

It reads like a configuration file of gunicorn, whose words it uses; what the command line says goes over it, and
`$WEB_CONCURRENCY` is the number of processes.
"""

import os
import socket
from typing import Any

wsgi_app = "redisq_api:create_app()"
bind = "127.0.0.1:8000"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))

# A thread works on a request only once its first bytes are there, and idle connections cost none. Who then dawdles
# with the rest of it does have a thread, for 10 s with the header and 30 s with the body: on the open Internet, nginx
# in front reads requests before it passes them on.
worker_class = "redisq_api.patience.PatientWorker"
threads = 8

# Seconds. A process that gives no sign of life for `timeout` is ended; in a reload (HUP) the old ones have
# `graceful_timeout` for what they are answering, which may be a wait of 30 s; `keepalive` is for the next request.
timeout = 60
graceful_timeout = 35
keepalive = 15

limit_request_line = 4094
limit_request_fields = 64
limit_request_field_size = 8190

# Its control socket would be one more door, and nobody here uses it.
control_socket_disable = True

_SAYS_NOTHING = 60


def when_ready(server: Any) -> None:
    """Leaves connections on which nothing was said yet to the kernel: gunicorn would give each a thread for 5 s."""
    if hasattr(socket, "TCP_DEFER_ACCEPT"):
        for listener in server.LISTENERS:
            if listener.sock.family in (socket.AF_INET, socket.AF_INET6):
                listener.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, _SAYS_NOTHING)
