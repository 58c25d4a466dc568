"""NAME PASSWORD: the database with a user and 10,000 tasks that have ended; prints a token and the last task."""

import json
import sys

import django
from django.core.management import call_command

django.setup()
call_command("migrate", run_syncdb=True, verbosity=0)

from django.contrib.auth.models import User  # noqa: E402
from django.utils import timezone  # noqa: E402
from rest_framework.authtoken.models import Token  # noqa: E402
from tasks.models import Grant, Task  # noqa: E402

name, password = sys.argv[1:]
user = User.objects.create_user(name, password=password)
Grant.objects.bulk_create(Grant(user=user, queue=queue) for queue in ("high", "default"))
now = timezone.now()
ended = {"queue": "default", "status": "succeeded", "result": "TASK", "started_at": now, "finished_at": now}
tasks = Task.objects.bulk_create(Task(owner=user, input_param=f"task {number}", **ended) for number in range(10_000))
print(json.dumps({"token": Token.objects.create(user=user).key, "task": tasks[-1].id}))
