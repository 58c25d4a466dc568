"""The REST service within an app of Falcon: at /queue, for those who are logged in there, by its rules."""

from dataclasses import replace

import falcon
import falcon.testing
from playground import worker
from redisq_api import create_app, migrations, mount, users
from redisq_api.database import Database
from redisq_api.settings import Settings

import redisq

app = redisq.RedisQ()


@app.task(name="shout")
def shout(input_param: str) -> str:
    return input_param.upper()


class Hello:
    """A page of the app's own."""

    def on_get(self, request, response):
        response.text = "hello"


def authenticate(request):
    """The app's own login: the name of a user of the service, or None."""
    return request.get_header("X-User")


def before_post(request, user, order):
    """The app's own rules; what comes back is what is taken."""
    if any(len(text) > 20 for text in order.inputs):
        raise falcon.HTTPUnprocessableEntity(description="nobody shouts for that long")
    return replace(order, inputs=[f"{user}: {text}" for text in order.inputs])


if __name__ == "__main__":
    database = Database("sqlite:///api.sqlite3")
    migrations.apply(database)
    users.add(database, "ann", "a secret", queues=["default"])
    service = create_app(
        Settings(), database=database, queue_app=app, authenticate=authenticate, before_post=before_post
    )
    web = falcon.App()
    web.add_route("/hello", Hello())
    mount(web, "/queue", service)

    client = falcon.testing.TestClient(web, headers={"X-User": "ann"})
    print(client.simulate_get("/hello").text)
    with worker():
        posted = client.simulate_post("/queue/api/v1/task?wait=20", json={"input_param": "hooray"})
    print(posted.status, posted.json["result"], posted.headers["Location"] == posted.json["links"]["self"])
    refused = client.simulate_post("/queue/api/v1/task", json={"input_param": "a" * 21})
    print(refused.status, refused.json["detail"])
    print(client.simulate_get("/queue/api/v1/task", headers={"X-User": "mallory"}).status)
