"""A primary that sentinels watch, and a cluster, on loopback: real processes of a current Valkey, or of Redis 7.0.

Times are short: a node that is silent for NODE_TIMEOUT is taken for dead.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import redis
from redis.crc import key_slot

from tests.servers import Server, free_port
from tests.waiting import wait_until

NODE_TIMEOUT = 1.0
SLOTS = 16384
SERVICE = "jobs"


def queue_of_node(node: int, number: int = 0) -> str:
    """The name of a queue, the `number`th of those whose keys a cluster's node 0, 1 or 2 has at the start."""
    names = (f"q{i}" for i in range(1000))
    return [name for name in names if key_slot(name.encode()) * 3 // SLOTS == node][number]


class Sentinels:
    """A primary and its replicas, and three sentinels that watch them. `config` is that of the data servers."""

    def __init__(self, kind: str, directory: Path, replicas: int = 1, **config: object) -> None:
        config = {"repl_diskless_sync_delay": 0, **config}
        self.data = [Server(kind, directory / f"data-{i}", **config) for i in range(1 + replicas)]
        self.sentinels = [_Sentinel(kind, directory / f"sentinel-{i}") for i in range(3)]

    @property
    def url(self) -> str:
        return f"redis+sentinel://{','.join(f'127.0.0.1:{one.port}' for one in self.sentinels)}/{SERVICE}"

    def start(self) -> Sentinels:
        """Come back when a failover would succeed."""
        primary, *replicas = (server.start() for server in self.data)
        for replica in replicas:
            with replica.client() as client:
                client.replicaof("127.0.0.1", primary.port)
        for replica in replicas:
            wait_until(lambda one=replica: _info(one, "replication")["master_link_status"] == "up")
        for sentinel in self.sentinels:
            sentinel.watch(primary.port)
            sentinel.start()
        for sentinel in self.sentinels:
            wait_until(lambda one=sentinel: one.sees(len(replicas), len(self.sentinels) - 1), 30.0)
        return self

    def stop(self) -> None:
        for server in [*self.sentinels, *self.data]:
            server.kill()

    def flush(self) -> None:
        with self.primary().client() as client:
            client.flushall()

    def swap(self) -> Server:
        """Have a replica take over from a primary that is well. Answers the new one; the old one does not know yet."""
        with self.sentinels[0].client() as client:
            old = client.sentinel_get_master_addr_by_name(SERVICE)
            client.execute_command("SENTINEL", "FAILOVER", SERVICE)
            _, port = wait_until(lambda: (now := client.sentinel_get_master_addr_by_name(SERVICE)) != old and now, 30.0)
        return next(server for server in self.data if server.port == port)

    def primary(self) -> Server:
        """The one that calls itself the primary; waits until there is one."""
        return wait_until(self._primary, 30.0, "there is a primary")

    def _primary(self) -> Server | None:
        try:
            running = [server for server in self.data if server.runs]
            return next((server for server in running if _info(server, "replication")["role"] == "master"), None)
        except redis.ConnectionError:  # a server that changes its role ends its connections
            return None


class _Sentinel(Server):
    """A server process in the mode of a sentinel, which keeps what it knows in its file."""

    def watch(self, port: int) -> None:
        self.port = free_port()
        self.directory.mkdir(parents=True)
        self.file = self.directory / "sentinel.conf"
        milliseconds = int(NODE_TIMEOUT * 1000)
        self.file.write_text(
            f"""\
bind 127.0.0.1
port {self.port}
dir {self.directory}
sentinel monitor {SERVICE} 127.0.0.1 {port} 2
sentinel down-after-milliseconds {SERVICE} {milliseconds}
sentinel failover-timeout {SERVICE} {3 * milliseconds}
sentinel parallel-syncs {SERVICE} 5
"""
        )

    def _arguments(self) -> list[str]:
        return [str(self.file), "--sentinel"]

    def sees(self, replicas: int, sentinels: int) -> bool:
        with self.client() as client:
            state = client.sentinel_master(SERVICE)
        return (state["num-slaves"], state["num-other-sentinels"]) == (replicas, sentinels)


class Cluster:
    """Three primaries, and as many replicas. `config` is that of all."""

    def __init__(self, kind: str, directory: Path, replicas: bool = True, **config: object) -> None:
        config = {
            "cluster_enabled": "yes",
            "cluster_node_timeout": int(NODE_TIMEOUT * 1000),
            "repl_diskless_sync_delay": 0,
            **config,
        }
        self.nodes = [Server(kind, directory / f"node-{i}", **config) for i in range(6 if replicas else 3)]

    @property
    def url(self) -> str:
        return f"redis+cluster://{','.join(f'127.0.0.1:{node.port}' for node in self.nodes[:3])}"

    def start(self) -> Cluster:
        """Come back when all nodes know who has which slots, and every primary has a replica."""
        for node in self.nodes:
            node.port = free_port()
            node.config["cluster-port"] = str(free_port())
            node.start()
        first = self.nodes[0]
        for i, node in enumerate(self.nodes):
            with node.client() as client:
                client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", i + 1)
                if node is not first:
                    client.execute_command("CLUSTER", "MEET", "127.0.0.1", first.port, first.config["cluster-port"])
        wait_until(lambda: all(len(self.view(node)) == len(self.nodes) for node in self.nodes), 20.0)
        for i, (node, replica) in enumerate(zip(self.nodes[:3], self.nodes[3:] or [None] * 3, strict=True)):
            with node.client() as client:
                client.execute_command("CLUSTER", "ADDSLOTSRANGE", SLOTS * i // 3, SLOTS * (i + 1) // 3 - 1)
                node_id = client.execute_command("CLUSTER", "MYID").decode()
            if replica is not None:
                with replica.client() as client:
                    client.execute_command("CLUSTER", "REPLICATE", node_id)
        wait_until(self._is_ready, 30.0)
        return self

    def stop(self) -> None:
        for node in self.nodes:
            node.kill()

    def flush(self) -> None:
        for node in self.nodes[:3]:
            with node.client() as client:
                client.flushall()

    def view(self, node: Server) -> list[list[str]]:
        """The lines of CLUSTER NODES, of nodes that have shaken hands."""
        with node.client() as client:
            text = client.execute_command("CLUSTER", "NODES")
        rows = [line.split() for line in _text(text).splitlines()]
        return [row for row in rows if "handshake" not in row[2]]

    def owner(self, slot: int) -> Server:
        """The primary that says that it has this slot; waits until there is one."""

        def find() -> Server | None:
            return next((node for node in self.nodes if node.runs and slot in self._own_slots(node)), None)

        return wait_until(find, 30.0, f"there is an owner of slot {slot}")

    def move_keys(self, slot: int, old: Server, new: Server) -> None:
        """Move a slot in the old way: a few keys at a time, while clients go on."""
        old_id, new_id = self.node_id(old), self.node_id(new)
        with old.client() as source, new.client() as target:
            target.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", old_id)
            source.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", new_id)
            wait_until(lambda: self.refusals(old, "ASK") > 5, 10.0, "clients come, and are told to wait")
            while names := source.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 10):
                source.execute_command("MIGRATE", "127.0.0.1", new.port, "", 0, 5000, "KEYS", *names)
            for client in (target, source):
                client.execute_command("CLUSTER", "SETSLOT", slot, "NODE", new_id)

    def move_at_once(self, slot: int, old: Server, new: Server) -> None:
        """Move a slot in the way of newer Valkeys: copied first, then handed over."""
        with old.client() as source:
            source.execute_command("CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", slot, slot, "NODE", self.node_id(new))
        wait_until(lambda: slot in self._own_slots(new), 20.0)

    def calls(self, node: Server, command: str) -> int:
        """How often the node has run this command."""
        stats = _info(node, "commandstats").get(f"cmdstat_{command}")
        return stats["calls"] if stats else 0

    def refusals(self, node: Server, code: str) -> int:
        """How often the node has answered with this error."""
        stats = _info(node, "errorstats").get(f"errorstat_{code}")
        return stats["count"] if stats else 0

    def blocked(self, node: Server) -> int:
        """How many clients wait on this node."""
        return _info(node, "clients")["blocked_clients"]

    def node_id(self, node: Server) -> str:
        with node.client() as client:
            return _text(client.execute_command("CLUSTER", "MYID"))

    def _own_slots(self, node: Server) -> set[int]:
        mine = next(row for row in self.view(node) if "myself" in row[2])
        slots: set[int] = set()
        for part in mine[8:]:
            if not part.startswith("["):
                first, _, last = part.partition("-")
                slots |= set(range(int(first), int(last or first) + 1))
        return slots if "master" in mine[2] else set()

    def _is_ready(self) -> bool:
        for node in self.nodes:
            with node.client() as client:
                if "cluster_state:ok" not in _text(client.execute_command("CLUSTER", "INFO")):
                    return False
        replicas = self.nodes[3:]
        return all(_info(node, "replication").get("master_link_status") == "up" for node in replicas) and all(
            _info(node, "replication")["connected_slaves"] == bool(replicas) for node in self.nodes[:3]
        )


def _text(answer: object) -> str:
    return answer.decode() if isinstance(answer, bytes) else str(answer)


def _info(server: Server, section: str) -> dict[str, Any]:
    with server.client() as client:
        return client.info(section)
