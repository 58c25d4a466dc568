"""Jobs that wait, together in one process: plain ones in threads, async ones in an event loop; weighted queues."""

import asyncio
import threading
import time

import playground

import redisq

app = redisq.RedisQ()


@app.task
def read_file(n):
    time.sleep(0.5)  # stands for a call that blocks
    return n


@app.task
async def fetch(n):
    await asyncio.sleep(0.5)
    return n


@app.task
async def fetch_slowly():
    await asyncio.sleep(60)


served = []


@app.task
def serve(queue):
    served.append(queue)
    return served


@app.task
def whose():
    return redisq.current_job().id, threading.current_thread() is threading.main_thread()


def main():
    with playground.worker("--threads", "5", "--concurrency", "20"):
        whose.enqueue().wait(timeout=60)  # the worker has started
        began = time.monotonic()
        jobs = [task.enqueue(n) for n in range(5) for task in (read_file, fetch, fetch, fetch)]
        print([job.wait(timeout=60) for job in jobs][-4:], "20 jobs of 0.5 s together:", time.monotonic() - began < 5)

        job = whose.enqueue()
        print("sees itself:", job.wait(timeout=60) == [job.id, False])

        late = fetch_slowly.options(timeout=0.5, max_attempts=1).enqueue()
        try:
            late.wait(timeout=60)
        except redisq.JobFailed as error:
            print(error)

    for queue in ("high", "low"):
        serve.options(queue=queue).enqueue_many([((queue,), {})] * 70)
    with playground.worker("--threads", "2", queues="high:6,low:1"):
        last = serve.options(queue="high").enqueue("high")
        order = last.wait(timeout=60)
    print("of the first 70, about 60 are high:", 56 <= order[:70].count("high") <= 64)


if __name__ == "__main__":
    main()
