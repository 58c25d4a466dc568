"""A web application that enqueues and waits without holding its event loop up. Any ASGI server can run `web`."""

import asyncio

import falcon
import falcon.asgi
import falcon.testing
import playground

import redisq

app = redisq.RedisQ()


@app.task
def resize(image, width):
    return f"{image} at {width}"


class Images:
    """POST /image/cat enqueues."""

    async def on_post(self, request, response, image):
        job = await resize.enqueue_async(image, width=100)
        response.status = falcon.HTTP_202
        response.media = {"id": job.id}


class Jobs:
    """GET /job/ID waits for the result, ten seconds at most."""

    async def on_get(self, request, response, job_id):
        try:
            job = await app.job_async(job_id)
            response.media = {"result": await job.wait_async(timeout=10.0)}
        except redisq.JobNotFound:
            raise falcon.HTTPNotFound from None
        except redisq.WaitTimeout:
            response.status = falcon.HTTP_202


class Lifespan:
    """With the server's own end, the app's connections end too."""

    async def process_shutdown(self, scope, event):
        app.close()


web = falcon.asgi.App(middleware=[Lifespan()])
web.add_route("/image/{image}", Images())
web.add_route("/job/{job_id}", Jobs())


async def main():
    async with falcon.testing.ASGIConductor(web) as client:
        posts = await asyncio.gather(*(client.post(f"/image/{animal}") for animal in ("cat", "dog", "owl")))
        print("enqueued:", [answer.status_code for answer in posts])
        for answer in await asyncio.gather(*(client.get(f"/job/{post.json['id']}") for post in posts)):
            print(answer.status_code, answer.json["result"])
        print((await client.get("/job/default.no-such-job")).status_code)


if __name__ == "__main__":
    with playground.worker():
        asyncio.run(main())
