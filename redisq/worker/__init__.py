"""The worker: a supervisor, and children that claim and run jobs.

board.py       what a child tells its supervisor, in shared memory
batch.py       the jobs of one claim, and what became of them
pace.py        how many jobs to claim at once
runner.py      runs one job
guard.py       a thread in the child: gives back what waits behind a long job
child.py       the loop: claim, run, settle
process.py     a child as its supervisor sees it
orders.py      which running job is to stop
aftermath.py   what is told the server for a child that cannot
ticker.py      has the ticks of the timetable enqueued
health.py      a file that tells whether all is well
signals.py     what a supervisor is asked by signals
pauses.py      how long the next child has to wait
notify.py      what systemd is told
titles.py      what ps shows
eviction.py    a warning of a server that deletes jobs
recycling.py   which children are to be replaced
rolling.py     SIGHUP: the code as it now is, without a gap
reload.py      SIGHUP whenever the code changes
supervisor.py  processes, signals, leases, time limits
"""
