"""What the worker runs."""

from django.utils import timezone

from .models import Task


def run(task_id):
    task = Task.objects.get(id=task_id)
    task.status, task.started_at = "running", timezone.now()
    task.save(update_fields=["status", "started_at"])
    task.status, task.finished_at, task.result = "succeeded", timezone.now(), task.input_param.upper()
    task.save(update_fields=["status", "finished_at", "result"])
