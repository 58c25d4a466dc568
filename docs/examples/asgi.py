"""A web application that enqueues and waits without holding its event loop up. Any ASGI server can run `web`."""

import asyncio
import json

import playground

import redisq

app = redisq.RedisQ()


@app.task
def resize(image, width):
    return f"{image} at {width}"


async def web(scope, receive, send):
    """POST /cat enqueues, GET /job/ID waits for the result, ten seconds at most."""
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
    elif scope["method"] == "POST":
        job = await resize.enqueue_async(scope["path"].strip("/"), width=100)
        await answer(send, 202, {"id": job.id})
    else:
        await show(send, scope["path"].removeprefix("/job/"))


async def show(send, job_id):
    try:
        job = await app.job_async(job_id)
        await answer(send, 200, {"result": await job.wait_async(timeout=10.0)})
    except redisq.JobNotFound:
        await answer(send, 404, {})
    except redisq.WaitTimeout:
        await answer(send, 202, {"status": "not yet"})


async def lifespan(receive, send):
    while (await receive())["type"] != "lifespan.shutdown":
        await send({"type": "lifespan.startup.complete"})
    app.close()
    await send({"type": "lifespan.shutdown.complete"})


async def answer(send, status, body):
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})


async def request(method, path):
    """What a server would do with a request: the status and the body."""
    sent = []

    async def send(message):
        sent.append(message)

    await web({"type": "http", "method": method, "path": path, "headers": []}, None, send)
    return sent[0]["status"], json.loads(sent[1]["body"])


async def main():
    accepted = await asyncio.gather(*(request("POST", f"/{animal}") for animal in ("cat", "dog", "owl")))
    print("enqueued:", [status for status, _ in accepted])
    for status, body in await asyncio.gather(*(request("GET", f"/job/{body['id']}") for _, body in accepted)):
        print(status, body["result"])
    print(await request("GET", "/job/default.no-such-job"))


if __name__ == "__main__":
    with playground.worker():
        asyncio.run(main())
