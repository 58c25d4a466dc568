"""For tests of code that enqueues: a real server, the app's jobs run where the test wants them, and what was enqueued.

connecting.py  an app's use of a test's server
running.py     runs what is queued, by the worker's own path
looking.py     what was enqueued, and assertions on it
plugin/        the fixtures: installed as `pytest_redisq`, which pytest loads by itself
"""

from .connecting import connected
from .looking import assert_enqueued, enqueued
from .running import eager, run_all

__all__ = ["assert_enqueued", "connected", "eager", "enqueued", "run_all"]
