"""The commands of `redisq`, a module for each group, whose `add(commands)` adds the parsers of its commands."""
