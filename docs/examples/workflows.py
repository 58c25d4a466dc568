"""Workflows: jobs that wait for others, and what is done when one fails."""

import playground

import redisq

app = redisq.RedisQ()


@app.task
def count(word):
    return len(word)


@app.task(queue="sums")
def total():
    return sum(redisq.current_job().results())


@app.task
def label(text):
    (number,) = redisq.current_job().results()
    return f"{text}: {number}"


@app.task(max_attempts=1)
def charge(card):
    raise ValueError(f"no funds on {card}")


@app.task
def apologize():
    errors = [parent.error for parent in redisq.current_job().parents() if parent.status == "failed"]
    return f"sorry: {errors[0]}"


if __name__ == "__main__":
    letters = redisq.group(*[count.call(word) for word in ("to", "be", "or", "not")])
    flow = redisq.chain(letters, total.call(), label.call("letters")).enqueue()
    print(flow.status, len(flow.jobs))

    order = redisq.chain(charge.call("card 7"), label.call("charged"), on_failure=apologize.call()).enqueue()

    with playground.worker(queues="default,sums"):
        print(flow.wait(timeout=30))
        try:
            order.wait(timeout=30)
        except redisq.JobFailed as error:
            print(str(error).partition(": ")[2])

        words = count.enqueue("question")
        after = label.options(after=[words]).enqueue("more letters")
        print(after.wait(timeout=30))

    order = app.workflow(order.id)
    print([job.status for job in order.jobs], order.status)
    print(order.jobs[-1].result)
