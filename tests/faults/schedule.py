"""Which fault comes when: drawn from a seed, and from nothing else."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import NamedTuple

#: Seconds between two faults, on average.
EVERY = 2.1


class Kind(NamedTuple):
    """A kind of fault: what it hits, how often it comes among the others, and how long it lasts, in leases."""

    name: str
    target: str
    weight: int
    shortest: float = 0.0
    longest: float = 0.0


KINDS = (
    Kind("kill-child", "worker", 3),
    Kind("kill-worker", "worker", 3, 1.6, 2.0),
    Kind("kill-supervisor", "worker", 1, 1.6, 2.0),
    Kind("stop-worker", "worker", 3, 1.8, 4.0),
    Kind("stop-child", "worker", 1, 0.5, 2.5),
    Kind("deploy", "workers", 1),
    Kind("kill-consumer", "consumer", 1, 0.2, 1.0),
    Kind("stop-consumer", "consumer", 2, 1.8, 3.0),
    Kind("kill-producer", "producer", 1, 0.1, 0.5),
    Kind("kill-reader", "reader", 1, 0.1, 0.5),
    Kind("kill-relay", "relay", 1, 0.1, 1.0),
    Kind("kill-service", "service", 1, 0.1, 1.0),
    Kind("kill-server", "server", 3, 0.1, 0.8),
    Kind("stop-server", "server", 2, 1.2, 2.0),
    Kind("pause-clients", "server", 1, 0.1, 0.8),
    Kind("kill-clients", "server", 2),
    Kind("flush-scripts", "server", 1),
    Kind("fill-memory", "server", 1, 0.3, 1.0),
    Kind("drop-replies", "port", 4, 0.3, 1.0),
    Kind("reset", "port", 2),
    Kind("black-hole", "port", 2, 0.3, 1.5),
    Kind("latency", "port", 2, 0.5, 2.0),
    Kind("slices", "port", 1, 0.5, 1.5),
)


class Planned(NamedTuple):
    """A fault to come: `at` and `hold` are seconds, `draw` is a number from 0 to 1 for whatever is left to choose."""

    n: int
    at: float
    kind: str
    target: str
    hold: float
    draw: float


def plan(seed: int, span: float, lease: float, targets: Mapping[str, Sequence[str]]) -> list[Planned]:
    """The faults of a run whose load lasts `span` seconds. `targets`: what there is to hit, by the kind of target."""
    draw = random.Random(seed)
    faults: list[Planned] = []
    deck: list[Kind] = []
    at = EVERY
    while at < span:
        if not deck:
            deck = [kind for kind in KINDS for _ in range(kind.weight)]
            draw.shuffle(deck)
        kind = deck.pop()
        hold = lease * draw.uniform(kind.shortest, kind.longest)
        target = draw.choice(targets[kind.target])
        faults.append(Planned(len(faults), round(at, 3), kind.name, target, round(hold, 3), round(draw.random(), 6)))
        at += EVERY * draw.uniform(0.6, 1.4)
    return faults
