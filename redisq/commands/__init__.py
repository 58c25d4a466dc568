"""The commands of `redisq`, a module for each group. A group has a function `add(commands)`, which adds the parsers of
its commands; a command is a function that takes the parsed arguments and answers the exit code. admin.py lists the
groups.

shared.py has what the parsers and the functions share, output.py what is printed and how it is kept safe for a
terminal, progress.py the bars on long work. What needs rich is imported only where it is used, so that all but `top`
works without it.
"""
