"""redisq completion: a script for each shell, which that shell understands."""

from __future__ import annotations

import subprocess

import pytest

from tests.commands.conftest import Call
from tests.needs import need


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_names_commands_and_flags(call: Call, shell: str) -> None:
    done = call("completion", shell)
    assert (done.code, done.err) == (0, "")
    for word in ("redisq", "workers", "enqueue", "namespace", "scheduled"):
        assert word in done.out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_understands_it(call: Call, shell: str) -> None:
    need(shell)
    script = call("completion", shell).out
    done = subprocess.run([shell, "-n"], input=script, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("redisq", "wor"), {"workers"}),
        (("redisq", "jobs", "--sta"), {"--status"}),
        (("redisq", "jobs", "--status", "s"), {"scheduled", "succeeded"}),
    ],
)
def test_bash_completes(call: Call, words: tuple[str, ...], expected: set[str]) -> None:
    need("bash")
    line = " ".join(words)
    code = f"""
{call("completion", "bash").out}
COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; COMP_LINE='{line}'; COMP_POINT={len(line)}
function=$(complete -p redisq | sed 's/.*-F \\([^ ]*\\).*/\\1/')
$function redisq '{words[-1]}' '{words[-2]}'
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert {word.strip() for word in done.stdout.split()} == expected, done.stderr
