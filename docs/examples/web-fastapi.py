"""Routes of FastAPI, which never hold the event loop up: one enqueues, the other waits for the result."""

import asyncio
from contextlib import asynccontextmanager

import fastapi
import httpx
import playground

import redisq

app = redisq.RedisQ()


@app.task
def resize(image: str, width: int) -> str:
    return f"{image} at {width}"


@asynccontextmanager
async def lifespan(web):
    yield
    app.close()


web = fastapi.FastAPI(lifespan=lifespan)


@web.post("/image/{image}", status_code=202)
async def post_image(image: str):
    job = await resize.enqueue_async(image, width=100)
    return {"id": job.id}


@web.get("/job/{job_id}")
async def get_job(job_id: str, response: fastapi.Response, wait: float = 0.0):
    try:
        job = await app.job_async(job_id)
        return {"result": await job.wait_async(timeout=min(wait, 30.0))}
    except redisq.JobNotFound:
        raise fastapi.HTTPException(404) from None
    except redisq.WaitTimeout:
        response.status_code = 202
        return {"status": "not yet"}


async def main():
    async with httpx.AsyncClient(transport=httpx.ASGITransport(web), base_url="http://test") as client:
        posted = await client.post("/image/cat")
        print(posted.status_code, (await client.get(f"/job/{posted.json()['id']}")).json())
        with playground.worker():
            print((await client.get(f"/job/{posted.json()['id']}?wait=20")).json())
        print((await client.get("/job/default.no-such-job")).status_code)


if __name__ == "__main__":
    asyncio.run(main())
