import contextlib
import io
import json
import os
import sys
import tempfile

import playground
from falcon.testing import TestClient
from redisq_api import cli, create_app

directory = tempfile.TemporaryDirectory()
os.environ["REDISQ_DATABASE"] = f"sqlite:///{directory.name}/redisq.db"


def redisq_api(line: str, stdin: str = "") -> None:
    """What an administrator types."""
    print("$ redisq-api", line)
    sys.stdin = io.StringIO(stdin)
    cli.main(line.split())


def printed(line: str) -> str:
    """What a command prints, for a program."""
    with contextlib.redirect_stdout(io.StringIO()) as output:
        cli.main(line.split())
    return output.getvalue().rstrip("\n")


printed("init-db")
redisq_api("plan set free --workers default --unfinished 2")
redisq_api("plan set paid --workers high:3,default --rule weighted --unfinished 1000 --requests 600/60")
redisq_api("user add alice --password-stdin --plan free", "a long password\n")

token = printed("token create alice --name laptop --scopes read,write --expires-in 90d")
service = TestClient(create_app(), headers={"Authorization": f"Bearer {token}"})


def post(text: str) -> None:
    """What alice sends."""
    answer = service.simulate_post("/api/v1/task", json={"input_param": text})
    print("POST", answer.status_code, answer.json.get("code", "ok"), answer.headers.get("RateLimit", ""))


for text in ("one", "two", "three"):
    post(text)
redisq_api("user plan alice paid")
post("three")
redisq_api("user disable alice")
post("four")
for entry in json.loads(printed("audit --json")):
    print(entry["act"], entry["subject"])
