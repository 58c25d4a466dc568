"""Tasks over REST with Django REST framework and RQ."""

import random

import django_rq
from django.db import transaction
from django.urls import path
from rest_framework import generics, serializers
from rest_framework.pagination import CursorPagination
from rest_framework.response import Response
from rq import Queue

from .jobs import run
from .models import Task


class Shown(serializers.ModelSerializer):
    class Meta:
        model = Task
        fields = ("id", "input_param", "queue", "status", "result", "created_at", "started_at", "finished_at")


class Order(serializers.Serializer):
    input_param = serializers.ListField(child=serializers.CharField(), min_length=1)


class Newest(CursorPagination):
    ordering = "-id"
    page_size = 20
    page_size_query_param = "limit"


class Mine(generics.GenericAPIView):
    serializer_class = Shown
    pagination_class = Newest

    def get_queryset(self):
        return Task.objects.filter(owner=self.request.user)


class Tasks(Mine, generics.ListAPIView):
    def post(self, request):
        many = request.data.getlist("input_param[]")
        order = Order(data={"input_param": many or request.data.getlist("input_param")[:1]})
        order.is_valid(raise_exception=True)
        queue = random.choice(request.user.grants.values_list("queue", flat=True))
        with transaction.atomic():
            tasks = Task.objects.bulk_create(
                Task(owner=request.user, input_param=value, queue=queue)
                for value in order.validated_data["input_param"]
            )
            transaction.on_commit(lambda: enqueue(queue, tasks))
        shown = Shown(tasks, many=True).data
        return Response(shown if many else shown[0], status=202)


def enqueue(name, tasks):
    queue = django_rq.get_queue(name)
    if len(tasks) == 1:
        queue.enqueue(run, tasks[0].id)
    else:
        queue.enqueue_many([Queue.prepare_data(run, args=(task.id,)) for task in tasks])


class Status(Mine):
    def get(self, request, pk):
        task = self.get_object()
        return Response({"id": task.id, "status": task.status})


class Result(Mine):
    def get(self, request, pk):
        task = self.get_object()
        shown = {"id": task.id, "status": task.status, "result": task.result}
        return Response(shown, status=200 if task.finished_at else 202)


urlpatterns = [
    path("api/v1/task/", Tasks.as_view()),
    path("api/v1/task/<int:pk>/status/", Status.as_view()),
    path("api/v1/task/<int:pk>/result/", Result.as_view()),
]
