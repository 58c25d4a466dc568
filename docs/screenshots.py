"""Pictures of every page of the console: light, dark, and at the width of a phone.

`python docs/screenshots.py FOLDER` starts a server, the service and a worker of its own, fills them, and takes them
with the Chromium that is installed. With `--docs` it takes only those that the guide shows, into docs/_static/console/.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import msgspec

import redisq
from redisq.embedded import EmbeddedServer

ROOT = Path(__file__).parents[1]
STATIC = ROOT / "docs" / "_static" / "console"
WIDTHS = {"light": 1280, "dark": 1280, "phone": 390}
TASKS = (
    ("failed", "task=invoice"),
    ("traceback", "task=import-of-all-the-orders-that-came-in-by-letter"),
    ("huge", "task=export"),
    ("long", "text=xxxxx"),
    ("scheduled", "status=scheduled"),
    ("running", "status=running"),
    ("done", "task=resize"),
)
IN_DOCS = {"tasks-light", "tasks-dark", "task-failed-light", "new-light", "tasks-phone"}

app = redisq.RedisQ()


class Size(TypedDict):
    width: Annotated[int, msgspec.Meta(ge=1, le=10_000)]
    height: NotRequired[int | None]


class Picture(TypedDict):
    """Where it is, and what to make of it."""

    url: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
    format: Literal["jpeg", "webp", "avif"]
    size: Size
    tags: list[str]
    progressive: NotRequired[bool]


@app.task(name="describe")
def describe(input_param: Any) -> Any:
    """Counts what is in a text."""
    return {"characters": len(str(input_param)), "words": len(str(input_param).split())}


@app.task(name="resize")
def resize(input_param: Picture) -> Any:
    """Makes a picture smaller."""
    return {"url": input_param["url"].rpartition(".")[0] + "." + input_param["format"], "bytes": 48_213}


@app.task(name="invoice", max_attempts=3)
def invoice(input_param: int) -> Any:
    """Prints an invoice and sends it."""
    job = redisq.current_job()
    job.log(f"order {input_param}: 3 lines, 129.00 EUR")
    job.log("connecting to the printer")
    raise ConnectionError(f"the printer in room {input_param % 7} does not answer: [Errno 111] Connection refused")


@app.task(name="import-of-all-the-orders-that-came-in-by-letter", max_attempts=1)
def import_orders(input_param: list[str]) -> Any:
    """Fails in the depths of a long chain of calls, with an error of many lines."""
    frames = "\n".join(f'  File "/srv/app/orders/{n}.py", line {17 * n}, in read_{n}' for n in range(1, 30))
    raise ValueError(f"cannot read {'x' * 300}\nTraceback (most recent call last):\n{frames}")


@app.task(name="export")
def export(input_param: bool) -> Any:
    """Gives back more than a page can show."""
    return [{"order": n, "lines": ["pencil", "paper"], "total": n / 7} for n in range(1000)]


@app.cron("0 6 1 * *", tz="Europe/Berlin", args=["the figures of the month"])
@app.task(name="report")
def report(input_param: str) -> Any:
    """Takes its time."""
    job = redisq.current_job()
    for n in range(1000):  # until all pictures are taken
        job.set_progress(min(n + 84, 199), 200)
        time.sleep(0.6)


def fill(url: str, database_url: str) -> None:
    """A service with tasks in every state."""
    import falcon.testing
    from redisq_api import create_app, migrations, users
    from redisq_api.acts import Acts
    from redisq_api.database import Database
    from redisq_api.settings import Settings

    with closing(Database(database_url)) as database:
        migrations.apply(database)
        users.add(database, "alice", "alice", ["default", "high"])
        users.add(database, "new", "new", ["default"])
        users.add(database, "olga", "olga", ["default"])
        Acts(database, "docs").set_role("olga", "operator")
        give(Acts(database, "cli:root"))
        alice = users.find(database, "alice")
        assert alice is not None
        users.create_token(database, alice, "ci", ("write",), 2_000_000_000_000_000)
        users.create_token(database, alice, "laptop")
        token = users.create_token(database, alice)
        service = create_app(Settings(database=database_url, redis_url=url), database=database, queue_app=app)
        client = falcon.testing.TestClient(service, headers={"Authorization": f"Bearer {token}"})

        def post(task: str, value: Any, **more: Any) -> None:
            body = {"task": task, "input_param": value, "queue": "default"} | more
            assert client.simulate_post("/api/v1/task", json=body).status_code == 202

        size: dict[str, Any] = {"width": 640}
        for n in range(12):
            post("describe", f"The quick brown fox jumps over the lazy dog, for the {n + 1}th time today")
            picture = f"https://pictures.example/2026/11/{n:04}.png"
            post("resize", {"url": picture, "format": "webp", "size": size, "tags": ["x"]})
        post("invoice", 70_412)
        post("import-of-all-the-orders-that-came-in-by-letter", [["a"]])
        post("export", True)
        post("describe", "x" * 400)
        post("report", "the figures of November", queue="high")
        post("describe", "later", delay=86_400.0)
        post("describe", ["a list", {"of": "things"}][0])
        fill_queues(url)
        fill_history(database)


def fill_queues(url: str) -> None:
    """Jobs of others, for those who look after them."""
    queues = app.replace(url=url)
    mails = (((f"customer{n}@shop.example", "welcome"), {}) for n in range(8_412))
    queues.queue("mail").enqueue_bulk("send_mail", mails)
    queues.queue("mail").options(delay=3600.0).enqueue_many("send_mail", [(["later@shop.example"], {})] * 214)
    queues.queue("mail").pause()
    billing = queues.queue("billing")
    errors = {
        "ConnectionError: the printer in room {} does not answer": 41,
        "KeyError: 'vat_{}'": 12,
        "requests.exceptions.ReadTimeout: POST https://bank.example/v2/transfers: no answer for {} s": 7,
    }
    for error, count in errors.items():
        invoices = [((70_000 + n,), {"copies": 2}) for n in range(count)]
        billing.options(max_attempts=1).enqueue_many("billing.print", invoices)
        for n in range(count):
            delivery = billing.claim(timeout=5.0)
            assert delivery is not None
            delivery.nack(error.format(n))


def fill_history(database: Any) -> None:
    """An hour of a busy queue."""
    import math

    from redisq_api import clock
    from redisq_api.history import SPANS

    with database.write():
        for span, step in SPANS.values():
            last = clock.now() // step * step
            for n in range(span // step):
                wave = 1 + math.sin(n / 23) + 0.25 * math.sin(n * 1.7)
                row = ("mail", step, last - n * step, 7_400 + 900 * wave, 40.0, 42 - 8 * wave, wave > 1.8, 3.2 * wave)
                database.run(
                    "INSERT INTO history (queue, step, at, depth, oldest, done, failed, latency)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    *row,
                )


def give(acts: Any) -> None:
    """Other users, and plans."""
    acts.put_plan("gold", ["high:3", "default"], "weighted", {"unfinished": 10_000, "requests": 600, "seconds": 60})
    acts.put_plan("trial", ["default"], None, {"unfinished": 20})
    acts.add("root", "root", ["default"], True, None)
    for name, plan in (("billing", "gold"), ("carol@pictures.example", "gold"), ("dave", "trial"), ("erin", "trial")):
        acts.add(name, name, [], False, plan)
    acts.grant("billing", ["invoices:5", "reports"])
    acts.set_role("carol@pictures.example", "operator")
    acts.set_quota("billing", {"unfinished": 0})
    acts.create_token("billing", "nightly", ["write"], None)
    acts.disable("erin")


@contextmanager
def running() -> Iterator[str]:
    """The address of a service with tasks of alice's in all states."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedServer(Path(folder) / "redis") as server:
        database = f"sqlite:///{folder}/api.sqlite3"
        fill(server.url, database)
        environ = os.environ | {"REDISQ_URL": server.url, "REDISQ_DATABASE": database, "REDISQ_APP": "screenshots:app"}
        environ |= {"PYTHONPATH": str(Path(__file__).parent)}
        with closing(socket.socket()) as found:
            found.bind(("127.0.0.1", 0))
            port = found.getsockname()[1]
        gunicorn = [sys.executable, "-m", "gunicorn", "-c", "python:redisq_api.server", "--log-level", "warning"]
        commands = [
            [*gunicorn, "--workers", "1", "--bind", f"127.0.0.1:{port}"],
            [sys.executable, "-c", "from redisq_api.cli import main; main()", "relay"],
            [sys.executable, "-m", "redisq.cli", "--queues", "high,default", "--threads", "2", "--log-level", "error"],
        ]
        parts = [subprocess.Popen(command, env=environ) for command in commands]
        try:
            time.sleep(8)  # the invoice has failed three times by then
            yield f"http://127.0.0.1:{port}"
        finally:
            for part in parts:
                part.terminate()
            for part in parts:
                part.wait()


def pages(page: Any, url: str, shot: Any) -> None:
    """Goes through all of them."""
    page.goto(f"{url}/")
    shot("home")
    page.goto(f"{url}/login?reason=over")
    shot("login")
    page.fill("[name=name]", "nobody")
    page.fill("[name=password]", "wrong")
    page.click("main button")
    shot("login-wrong")
    log_in(page, url, "new")
    shot("tasks-empty")
    log_in(page, url, "alice")
    shot("tasks")
    page.goto(f"{url}/?status=failed&text=nothing")
    shot("tasks-none")
    for name, search in TASKS:
        page.goto(f"{url}/?{search}")
        page.click("td.main a")
        shot(f"task-{name}")
    page.click("text=Delete")
    shot("task-delete")
    page.goto(f"{url}/tasks/new")
    shot("new-any")
    page.goto(f"{url}/tasks/new?task=resize")
    shot("new")
    page.fill("[name='input/size/width']", "70000")
    page.click("text=Create")
    shot("new-wrong")
    for kind in ("invoice", "import-of-all-the-orders-that-came-in-by-letter", "export"):
        page.goto(f"{url}/tasks/new?task={kind}")
        shot(f"new-{kind[:7]}")
    page.goto(f"{url}/tasks/new?task=invoice&mode=many")
    page.fill("[name=many]", "1\ntwo\n3")
    page.click("text=Create")
    shot("new-many-wrong")
    page.goto(f"{url}/tokens")
    shot("tokens")
    page.click("text=Create token")
    shot("token-new")
    page.goto(f"{url}/docs")
    shot("docs")
    page.goto(f"{url}/nowhere")
    shot("error")
    administration(page, url, shot)


def administration(page: Any, url: str, shot: Any) -> None:
    """The pages of those who look after it."""
    log_in(page, url, "olga")
    page.goto(f"{url}/admin")
    shot("admin")
    page.goto(f"{url}/admin/queues/mail")
    shot("admin-queue")
    page.click("text=Purge")
    shot("admin-purge")
    page.goto(f"{url}/admin/queues/billing?status=failed")
    shot("admin-failed")
    page.click("#list td.main a")
    shot("admin-job")
    page.goto(f"{url}/admin/queues/high?status=running")
    page.click("#list td.main a")
    shot("admin-job-running")
    page.goto(f"{url}/admin/dead")
    shot("admin-dead")
    people(page, url, shot)


def people(page: Any, url: str, shot: Any) -> None:
    """What an administrator sees of users, workers and the timetable."""
    log_in(page, url, "root")
    for name in ("users", "users/billing", "new-user", "plans", "plans/gold", "audit", "workers", "cron"):
        page.goto(f"{url}/admin/{name}")
        shot(f"admin-{name.replace('/', '-')}")
    page.goto(f"{url}/admin/users/root")
    page.click("text=Disable")
    page.click("dialog >> text=Disable >> nth=-1")
    shot("admin-users-wrong")


def log_in(page: Any, url: str, name: str) -> None:
    """As somebody whose password is his name."""
    page.context.clear_cookies()
    page.goto(f"{url}/login")
    page.fill("[name=name]", name)
    page.fill("[name=password]", name)
    page.click("main button")


def main() -> None:
    """Takes them."""
    from PIL import Image
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=STATIC)
    parser.add_argument("--docs", action="store_true")
    given = parser.parse_args()
    folder = STATIC if given.docs else given.folder
    folder.mkdir(parents=True, exist_ok=True)
    with running() as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        for look, width in WIDTHS.items():
            scheme: Any = "dark" if look == "dark" else "light"
            height = 844 if look == "phone" else 800
            context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
            page = context.new_page()

            def shot(name: str, page: Any = page, look: str = look) -> None:
                if not given.docs or f"{name}-{look}" in IN_DOCS:
                    page.wait_for_load_state("networkidle")
                    path = folder / f"{name}-{look}.png"
                    page.screenshot(path=path, animations="disabled")
                    with Image.open(path) as picture:
                        picture.quantize(96).save(path, optimize=True)

            pages(page, url, shot)
            context.close()
        browser.close()


if __name__ == "__main__":
    main()
