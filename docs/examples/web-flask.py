"""Views of Flask: one enqueues and answers at once, the other tells what became of it."""

import flask
import playground

import redisq

app = redisq.RedisQ()
web = flask.Flask(__name__)


@app.task
def resize(image, width):
    return f"{image} at {width}"


@web.post("/image/<image>")
def post_image(image):
    job = resize.enqueue(image, width=100)
    return {"id": job.id}, 202


@web.get("/job/<job_id>")
def get_job(job_id):
    try:
        job = app.job(job_id)
    except redisq.JobNotFound:
        flask.abort(404)
    return {"status": job.status, "result": job.result, "error": job.error}


if __name__ == "__main__":
    client = web.test_client()
    posted = client.post("/image/cat")
    print(posted.status_code, client.get(f"/job/{posted.json['id']}").json["status"])
    with playground.worker():
        app.job(posted.json["id"]).wait(timeout=20.0)
    print(client.get(f"/job/{posted.json['id']}").json)
    print(client.get("/job/default.no-such-job").status_code)
