"""A task with a described input behind the REST service, called without a network."""

import json
from typing import TypedDict

import falcon.testing
from playground import worker
from redisq_api import create_app, migrations, users
from redisq_api.database import Database
from redisq_api.settings import Settings

import redisq

app = redisq.RedisQ()


class Picture(TypedDict):
    url: str
    width: int


@app.task(name="resize")
def resize(input_param: Picture) -> str:
    return f"{input_param['url']} at {input_param['width']}"


if __name__ == "__main__":
    database = Database("sqlite:///api.sqlite3")
    migrations.apply(database)
    users.add(database, "ann", "a secret", queues=["default"])
    token = users.create_token(database, users.find(database, "ann"))
    service = create_app(Settings(), database=database, queue_app=app)
    client = falcon.testing.TestClient(service, headers={"Authorization": f"Bearer {token}"})

    wrong = client.simulate_post("/api/v1/task", json={"input_param": [{"url": "a.png", "width": "wide"}]})
    print(wrong.status, *wrong.json["errors"], sep="\n  ")

    picture = {"url": "a.png", "width": 80}
    with worker():
        answer = client.simulate_post(
            "/api/v1/task", json={"input_param": [picture, picture]}, headers={"Prefer": "wait=20"}
        )
    print(answer.status, *[task["result"] for task in answer.json], sep="\n  ")

    path = answer.json[0]["links"]["self"]
    tag = client.simulate_get(path).headers["ETag"]
    print(client.simulate_get(path, headers={"If-None-Match": tag}).status)

    document = client.simulate_get("/openapi.json").json
    print(json.dumps(document["components"]["schemas"]["Picture"]["properties"]))
