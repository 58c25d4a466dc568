"""Looking for jobs, and retrying or deleting those that are found; what went wrong, in a few lines."""

import playground  # a server for this example

import redisq

app = redisq.RedisQ()
mail = app.queue("mail")


def run_all(error=None):
    """In the place of a worker."""
    while (delivery := mail.claim(timeout=0.0)) is not None:
        name = delivery.job.args[0]
        if error and name != "ann":
            delivery.nack(f"{error} {len(name)}")
        else:
            delivery.ack(f"sent to {name}")


once = mail.options(max_attempts=1)
once.enqueue_many("send", [((name,), {}) for name in ("ann", "bob", "cem", "dorothy")])
run_all("SMTPError: timeout of host")
once.enqueue_many("send", [((name,), {}) for name in ("eve", "franziska")])
run_all("KeyError: no account")

groups = mail.error_groups()
for group in groups.groups:
    print(f"{group.count} x {group.task}: {group.kind}: {group.message}")
print(groups.seen, "of", groups.total, "dead letters")

timeouts = redisq.Filter("failed", text="timeout")
page = mail.search(timeouts, limit=2)
print([job.args[0] for job in page.jobs])
page = mail.search(timeouts, cursor=page.cursor, limit=2)
print([job.args[0] for job in page.jobs], page.cursor)

for portion in mail.act("retry", timeouts):
    print(f"{portion.done} of {portion.seen} retried")
run_all()
print(mail.counts()["failed"], "dead letters left")
print(sum(portion.done for portion in mail.act("delete", redisq.Filter("failed", task="send"))), "deleted")
