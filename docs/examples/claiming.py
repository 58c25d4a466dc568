"""A queue without the worker: any JSON value, in a loop of your own."""

import playground  # its server

import redisq

app = redisq.RedisQ()
queue = app.queue("mail")


def send(mail):
    print("sent to", mail["to"])


if __name__ == "__main__":
    for name in ("ada", "bob", "eve"):
        queue.put({"to": f"{name}@example.org"})

    with queue.claim() as delivery:  # leaving the block acks
        send(delivery.job.payload)

    try:
        with queue.claim() as delivery:  # an exception nacks, and goes on up
            raise ConnectionError("no route to host")
    except ConnectionError:
        job = delivery.job.refresh()
        print(job.payload["to"], "is", job.status, "again after", job.error)

    delivery = queue.claim()
    delivery.release()  # back to the head of the queue, as if it had not been claimed
    delivery = queue.claim()
    print(delivery.job.payload["to"], "came back, at attempt", delivery.job.attempt)
    delivery.nack("mailbox full", retry_in=0.2)

    sent = []
    for _ in range(2):
        with queue.claim(timeout=30.0) as delivery:
            sent.append(delivery.job.payload["to"])
    print("then", sorted(sent), "and", queue.claim(timeout=0.1))
    try:
        delivery.ack()
    except redisq.InvalidOption as error:
        print("settled once:", "is settled already" in str(error))
