"""gunicorn's configuration of the service, with less time for slow clients."""

from redisq_api.patience import PatientWorker
from redisq_api.server import *  # noqa: F403


class Impatient(PatientWorker):
    header_seconds = 0.5
    body_seconds = 0.7
    linger_seconds = 0.2


worker_class = Impatient
keepalive = 1
