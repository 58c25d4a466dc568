"""The worker: a supervisor, and children that claim and run jobs.

board.py       what a child tells its supervisor, in shared memory
batch.py       the jobs of one claim, and what became of them
pace.py        how many jobs to claim at once
runner.py      runs one job
guard.py       a thread in the child: gives back what waits behind a long job
child.py       the loop: claim, run, settle
errands.py     what a child does beside that
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

A child that runs several jobs at once has a loop of its own:

lanes.py         the board of such a child
stint.py         one run of a job, which may be asked to stop
hands.py         who runs jobs: threads, an event loop
reach.py         how many jobs to claim for them
bell.py          what wakes the loop
intake.py        settling and claiming while a claim waits
warden.py        a thread in the child: asks jobs to stop
crew.py          the loop: settle, claim, hand on
crew_process.py  such a child as its supervisor sees it
"""
