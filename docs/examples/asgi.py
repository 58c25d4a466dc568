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
    """POST /image enqueues; GET /job-id?wait waits for the result, five seconds at most."""
    assert scope["type"] == "http"
    if scope["method"] == "POST":
        job = await resize.enqueue_async(scope["path"].strip("/"), width=100)
        await answer(send, 202, {"id": job.id})
        return
    try:
        result = await app.queue("default").job(scope["path"].strip("/")).wait_async(timeout=5.0)
    except redisq.WaitTimeout:
        await answer(send, 202, {"status": "not yet"})
    else:
        await answer(send, 200, {"result": result})


async def answer(send, status, body):
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})
