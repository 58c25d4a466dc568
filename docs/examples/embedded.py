"""The embedded server: its data stay in the directory when all who used it have ended."""

import subprocess
import sys
import tempfile

import redisq


def main():
    if len(sys.argv) > 1:
        queue = redisq.RedisQ(sys.argv[1]).queue("notes")
        if sys.argv[2:] == ["write"]:
            queue.put("remember the milk")
        else:
            print(queue.claim().job.payload)
        return
    with tempfile.TemporaryDirectory() as directory:
        url = f"embedded://{directory}"  # embedded:///some/directory
        for what in ("write", "read"):  # two processes, one after the other; nothing runs in between
            subprocess.run([sys.executable, __file__, url, what], check=True)
    print("done")


if __name__ == "__main__":
    main()
