"""A receiver of webhooks, which needs the standard library alone, and a service that tells it of a task."""

import base64
import contextlib
import hashlib
import hmac
import http.server
import io
import json
import os
import queue
import subprocess
import sys
import threading
import time

import falcon.testing
from playground import worker
from redisq_api import cli, create_app

TOLERANCE = 300  # seconds; what is older may be a recording that somebody sends again


def verify(secret: str, headers, body: bytes) -> dict:
    """The message, if one of its signatures was made with our secret; ValueError otherwise."""
    message_id, timestamp = headers["webhook-id"], headers["webhook-timestamp"]
    if abs(time.time() - int(timestamp)) > TOLERANCE:
        raise ValueError("too old, or from the future")
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.digest(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256)
    expected = "v1," + base64.b64encode(digest).decode()
    if not any(hmac.compare_digest(one, expected) for one in headers["webhook-signature"].split()):
        raise ValueError("not signed with our secret")
    return json.loads(body)


received = queue.Queue()


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            message = verify(secret, self.headers, body)
        except ValueError:
            self.send_error(400)
            return
        received.put(message)  # what takes long is done after the answer, or the message comes again
        self.send_response(204)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


def printed(line: str) -> str:
    """What a command of an administrator prints."""
    with contextlib.redirect_stdout(io.StringIO()) as output:
        cli.main(line.split())
    return output.getvalue().strip()


os.environ["REDISQ_DATABASE"] = f"sqlite:///{os.getcwd()}/redisq.db"
os.environ["REDISQ_API_WEBHOOK_ALLOW"] = "127.0.0.0/8"  # only for this example, whose receiver is on this machine
printed("init-db")
sys.stdin = io.StringIO("a long password\n")
printed("user add alice --password-stdin --workers default")
service = falcon.testing.TestClient(
    create_app(), headers={"Authorization": f"Bearer {printed('token create alice')}"}
)
secret = service.simulate_post("/api/v1/webhook-secret").json["secret"]

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
threading.Thread(target=server.serve_forever, daemon=True).start()
relay = subprocess.Popen(
    [sys.executable, "-c", "from redisq_api.cli import main; main(['relay'])"], stderr=subprocess.DEVNULL
)
try:
    # One worker for both queues; in production, one for each.
    with worker("--app", "redisq_api.webhooks.worker:app", queues="default,webhooks"):
        task = {"input_param": "qwerty", "callback_url": f"http://127.0.0.1:{server.server_port}/hook"}
        print(service.simulate_post("/api/v1/task", json=task).status)
        message = received.get(timeout=60)
        print(message["type"], message["data"]["result"]["sha1"])

        deadline = time.monotonic() + 60
        while (delivery := service.simulate_get("/api/v1/webhook-delivery").json[0])["status"] == "pending":
            assert time.monotonic() < deadline
            time.sleep(0.05)
        print(delivery["event"], delivery["status"], [attempt["status"] for attempt in delivery["attempts"]])
finally:
    relay.terminate()
    relay.wait()
    server.shutdown()

forged = {"webhook-id": "msg_1", "webhook-timestamp": str(int(time.time())), "webhook-signature": "v1,AAAA"}
try:
    verify(secret, forged, b"{}")
except ValueError as error:
    print("refused:", error)
