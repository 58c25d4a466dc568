"""Unique jobs: one of a kind, and a debounce."""

import playground

import redisq

app = redisq.RedisQ()


@app.task(unique=True)
def refresh(page):
    return f"refreshed {page}"


@app.task(unique=lambda doc, text: doc, replace=True)
def save(doc, text):
    return f"{doc}: {text}"


if __name__ == "__main__":
    first, second = refresh.enqueue("home"), refresh.enqueue("home")
    print(second.id == first.id, second.created, refresh.enqueue("about").created)

    later = save.options(delay=0.3)
    for text in ("a", "ab", "abc"):
        job = later.enqueue("draft", text)

    with playground.worker():
        print(first.wait(timeout=30))
        print(job.wait(timeout=30))
    print(refresh.enqueue("home").created)
