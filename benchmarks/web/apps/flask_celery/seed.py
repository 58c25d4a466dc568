"""NAME PASSWORD: the database with a user and 10,000 tasks that have ended; prints a token and the last task."""

import json
import secrets
import sys

from app import Grant, Task, Token, User, app, db, digest, now
from werkzeug.security import generate_password_hash

name, password = sys.argv[1:]
token = secrets.token_urlsafe(32)
with app.app_context():
    db.create_all()
    db.session.add(User(id=1, name=name, password=generate_password_hash(password)))
    db.session.flush()
    db.session.add(Token(digest=digest(token), user_id=1))
    db.session.add_all(Grant(user_id=1, queue=queue) for queue in ("high", "default"))
    ended = {"queue": "default", "status": "succeeded", "result": "TASK", "started_at": now(), "finished_at": now()}
    tasks = [Task(owner_id=1, input_param=f"task {number}", **ended) for number in range(10_000)]
    db.session.add_all(tasks)
    db.session.commit()
    print(json.dumps({"token": token, "task": tasks[-1].id}))
