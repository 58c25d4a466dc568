"""Views of Django: one enqueues and answers at once, the other tells what became of it."""

import django
import playground
from django.conf import settings
from django.http import Http404, JsonResponse
from django.test import Client
from django.urls import path
from django.views.decorators.http import require_GET, require_POST

import redisq

settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["testserver"])
django.setup()

app = redisq.RedisQ()


@app.task
def resize(image, width):
    return f"{image} at {width}"


@require_POST
def post_image(request, image):
    job = resize.enqueue(image, width=100)
    return JsonResponse({"id": job.id}, status=202)


@require_GET
def get_job(request, job_id):
    try:
        job = app.job(job_id)
    except redisq.JobNotFound:
        raise Http404 from None
    return JsonResponse({"status": job.status, "result": job.result, "error": job.error})


urlpatterns = [path("image/<image>", post_image), path("job/<job_id>", get_job)]


if __name__ == "__main__":
    client = Client()
    posted = client.post("/image/cat")
    print(posted.status_code, client.get(f"/job/{posted.json()['id']}").json()["status"])
    with playground.worker():
        app.job(posted.json()["id"]).wait(timeout=20.0)
    print(client.get(f"/job/{posted.json()['id']}").json())
