"""The tables beside Django's own."""

from django.conf import settings
from django.db import models


class Grant(models.Model):
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="grants")
    queue = models.CharField(max_length=64)


class Task(models.Model):
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="tasks")
    input_param = models.TextField()
    queue = models.CharField(max_length=64)
    status = models.CharField(max_length=16, default="queued")
    result = models.TextField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
