"""Prometheus: the numbers of a worker's processes, and of the queues, from one address."""

import os
import re
import socket
import subprocess
import sys
import tempfile
import urllib.request
from contextlib import closing

import playground

os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", tempfile.mkdtemp())  # where processes write their numbers

import redisq
from redisq.contrib.prometheus import Prometheus

app = redisq.RedisQ(middleware=[Prometheus()])


@app.task("add")
def add(a, b):
    return a + b


def serving(port):
    command = [sys.executable, "-m", "redisq.contrib.prometheus", "--app", "metrics:app", "--port", str(port)]
    process = subprocess.Popen(command, cwd=os.path.dirname(os.path.abspath(__file__)), stderr=subprocess.PIPE)
    process.stderr.readline()  # it says where it listens
    return process


if __name__ == "__main__":
    add.enqueue_many([((n, n), {}) for n in range(10)])
    app.queue("low").put("payload")
    with playground.worker("--processes", "2", "--burst") as worker:
        worker.wait()
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    server = serving(port)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        text = answer.read().decode()
    server.terminate()
    server.communicate()
    wanted = re.compile(r'redisq_jobs_enqueued_total\{.*|redisq_job_runs_total\{.*|redisq_jobs\{.*low.*queued"\} .*')
    print(*sorted(line for line in text.splitlines() if wanted.match(line)), sep="\n")
