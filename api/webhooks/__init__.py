"""Webhooks: telling a user's server that a task of his has ended, after Standard Webhooks.

The transaction that ends a task writes a delivery for every address that is to be told (`events.py`). The relay hands
each attempt of it to a worker as a job, already signed, and notes what came of it (`courier.py`, `attempts.py`). The
worker knows no database and no secret: it makes one request, to a public address only (`worker.py`, `transport.py`,
`addresses.py`). When the next attempt is due is the database's to say, so nothing depends on what Redis keeps.

What a user registers and sees is in `endpoints.py`, `log.py` and `resources.py`.
"""

#: The name of the task that makes one attempt.
TASK = "webhook.deliver"
