"""Tasks over REST with Flask, Flask-SQLAlchemy and Celery."""

import hashlib
import os
import random
from datetime import UTC, datetime

from celery import Celery
from flask import Flask, abort, g, request
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Engine, Index, event
from werkzeug.security import check_password_hash, generate_password_hash

app = Flask(__name__)
app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["BENCH_DATABASE_URL"]
db = SQLAlchemy(app)
celery = Celery("app", broker=os.environ["BENCH_REDIS_URL"], task_ignore_result=True)
celery.conf.broker_connection_retry_on_startup = True
NO_PASSWORD = generate_password_hash("")


@event.listens_for(Engine, "connect")
def set_up(connection, _record):
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")


def now():
    return datetime.now(UTC)


class User(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    name = db.Column(db.String, unique=True)
    password = db.Column(db.String)


class Token(db.Model):
    digest = db.Column(db.String, primary_key=True)
    user_id = db.Column(db.ForeignKey(User.id))


class Grant(db.Model):
    user_id = db.Column(db.ForeignKey(User.id), primary_key=True)
    queue = db.Column(db.String, primary_key=True)


class Task(db.Model):
    __table_args__ = (Index("task_of_owner", "owner_id", "id"),)
    id = db.Column(db.Integer, primary_key=True)
    owner_id = db.Column(db.ForeignKey(User.id))
    input_param = db.Column(db.String)
    queue = db.Column(db.String)
    status = db.Column(db.String, default="queued")
    result = db.Column(db.String)
    created_at = db.Column(db.DateTime, default=now)
    started_at = db.Column(db.DateTime)
    finished_at = db.Column(db.DateTime)

    def shown(self):
        times = {name: getattr(self, name) for name in ("created_at", "started_at", "finished_at")}
        return {
            "id": self.id,
            "input_param": self.input_param,
            "queue": self.queue,
            "status": self.status,
            "result": self.result,
            **{name: time and f"{time.isoformat()}Z" for name, time in times.items()},
        }


def digest(token):
    return hashlib.sha256(token.encode()).hexdigest()


@app.before_request
def log_in():
    login = request.authorization
    user = None
    if login is not None and login.type == "basic":
        user = db.session.scalar(db.select(User).filter_by(name=login.username))
        if not check_password_hash(user.password if user else NO_PASSWORD, login.password):
            user = None
    elif login is not None and login.type == "bearer":
        user = db.session.scalar(db.select(User).join(Token).where(Token.digest == digest(login.token)))
    if user is None:
        return {"error": "log in"}, 401, {"WWW-Authenticate": "Basic"}
    g.user = user
    return None


@celery.task
def run(task_id):
    with app.app_context():
        task = db.session.get(Task, task_id)
        task.status, task.started_at = "running", now()
        db.session.commit()
        task.status, task.finished_at, task.result = "succeeded", now(), task.input_param.upper()
        db.session.commit()


@app.post("/api/v1/task")
def create():
    many = request.form.getlist("input_param[]")
    inputs = many or request.form.getlist("input_param")[:1]
    if not inputs:
        abort(422)
    queues = list(db.session.scalars(db.select(Grant.queue).filter_by(user_id=g.user.id)))
    queue = random.choice(queues)
    tasks = [Task(owner_id=g.user.id, input_param=value, queue=queue) for value in inputs]
    db.session.add_all(tasks)
    db.session.flush()
    shown = [task.shown() for task in tasks]
    db.session.commit()
    with celery.producer_pool.acquire(block=True) as producer:
        for task in shown:
            run.apply_async([task["id"]], queue=queue, producer=producer)
    return shown if many else shown[0], 202


@app.get("/api/v1/task")
def newest():
    mine = db.select(Task).filter_by(owner_id=g.user.id).order_by(Task.id.desc())
    return [task.shown() for task in db.session.scalars(mine.limit(request.args.get("limit", 20, int)))]


def find(task_id):
    return db.first_or_404(db.select(Task).filter_by(id=task_id, owner_id=g.user.id))


@app.get("/api/v1/task/<int:task_id>/status")
def status(task_id):
    return {"id": task_id, "status": find(task_id).status}


@app.get("/api/v1/task/<int:task_id>/result")
def result(task_id):
    task = find(task_id)
    return {"id": task_id, "status": task.status, "result": task.result}, 200 if task.finished_at else 202
