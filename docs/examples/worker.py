"""A worker that is told to stop, and one that is killed: the job runs again elsewhere."""

import signal
import tempfile
import time
from pathlib import Path

import playground

import redisq

app = redisq.RedisQ()


@app.task
def work(journal):
    with open(journal, "a") as file:
        file.write("begun\n")
    if runs(journal) < 3:
        time.sleep(60)
    return "done"


def runs(journal):
    return len(Path(journal).read_text().splitlines())


def wait_for_run(number, journal):
    while runs(journal) < number:
        time.sleep(0.01)


def main(journal):
    job = work.enqueue(journal)

    with playground.worker("--grace", "0.5") as process:
        wait_for_run(1, journal)
        process.send_signal(signal.SIGTERM)  # gives back what still runs after the grace
        print("exit code", process.wait())
    print(job.refresh().status)

    with playground.worker("--lease", "1") as process:
        wait_for_run(2, journal)
        process.kill()  # nobody is there to give anything back
        process.wait()
    print(job.refresh().status)

    with playground.worker("--lease", "1"):  # finds it once the dead one's lease has ended
        result = job.wait(timeout=60)
    print(result, "after", runs(journal), "runs, at attempt", job.refresh().attempt)


if __name__ == "__main__":
    with tempfile.NamedTemporaryFile() as file:
        main(file.name)
