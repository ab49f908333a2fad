"""How long commands take that have nothing to generate, beside `python -c pass`.

python benchmarks/startup.py                     (the best of 5; --count for more)

`again` is the same `diffwin probe` on the folder that it has finished.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROBE = ["probe", "--prompt", "a cook", "--bases", "4", "--levels", "3", "--repeats", "1", "--steps", "4"]


def best(command: list[str], count: int) -> tuple[float, bool]:
    """The shortest of `count` times in seconds, and whether torch was imported."""
    times = []
    for _ in range(count):
        begun = time.perf_counter()
        subprocess.run([sys.executable, *command], check=True, capture_output=True)
        times.append(time.perf_counter() - begun)
    told = subprocess.run([sys.executable, "-X", "importtime", *command], check=True, capture_output=True, text=True)
    return min(times), any(line.split("|")[-1].strip() == "torch" for line in told.stderr.splitlines())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=5)
    count = parser.parse_args().count
    with tempfile.TemporaryDirectory() as held:
        folder = str(Path(held) / "run")
        diffwin = ["-m", "diffwin"]
        subprocess.run([sys.executable, *diffwin, *PROBE, "--out", folder], check=True, capture_output=True)
        commands = {
            "python -c pass": ["-c", "pass"],
            "diffwin --help": [*diffwin, "--help"],
            "diffwin probe --help": [*diffwin, "probe", "--help"],
            "diffwin probe, again": [*diffwin, *PROBE, "--out", folder],
            "diffwin show": [*diffwin, "show", folder],
            "diffwin report": [*diffwin, "report", folder],
        }
        nothing = 0.0
        print(f"{'command':24}{'seconds':>10}{'ratio':>8}  torch")
        for name, command in commands.items():
            seconds, torch = best(command, count)
            nothing = nothing or seconds
            print(f"{name:24}{seconds:10.3f}{seconds / nothing:8.1f}  {'yes' if torch else 'no'}", flush=True)


if __name__ == "__main__":
    main()
