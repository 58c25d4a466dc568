"""What HTTP alone costs: Falcon with answers that are made already."""

import json

import falcon

_TASK = {
    "id": 1,
    "input_param": "qwerty",
    "queue": "default",
    "status": "succeeded",
    "result": None,
    "created_at": "2026-01-31T12:00:00.000000Z",
    "started_at": None,
    "finished_at": None,
}


class Constant:
    """Answers the same to all."""

    def __init__(self, value: object) -> None:
        self._data = json.dumps(value).encode()

    def on_get(self, request: falcon.Request, response: falcon.Response, **_: str) -> None:
        response.data = self._data


class Tasks(Constant):
    """Reads a POST to its end."""

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        request.bounded_stream.read()
        response.status = 202
        response.data = json.dumps(_TASK).encode()


app = falcon.App()
app.add_route("/api/v1/task", Tasks([_TASK] * 20))
app.add_route("/api/v1/task/{task_id}/status", Constant({"id": 1, "status": "succeeded"}))
