#!/usr/bin/env python3
"""Runs ours and the peers in one run, interleaved, and prints medians and ratios as Markdown (and JSON with --json).

Every contestant is a child process that lives for the whole suite and does one unit of work when asked (README.md).
Round after round each does the same unit, in an order drawn anew each round, one at a time; the first rounds are thrown
away. Standard library only.

    tools/bench/compare.py [SUITE ...] --threads 1,2 --rounds 9 --json target/bench.json
"""
import argparse
import datetime
import json
import os
import pathlib
import platform
import random
import shlex
import subprocess
import sys
import time

import report
import suites

ROOT = suites.ROOT


class Child:
    """A contestant's process and what it has answered."""

    def __init__(self, contestant, threads, log):
        self.name, self.contestant, self.units = contestant.name, contestant, []
        env = os.environ | contestant.env | {"OMP_NUM_THREADS": str(threads), "RAYON_NUM_THREADS": str(threads)}
        cores = ",".join(map(str, sorted(os.sched_getaffinity(0))[:threads]))
        self.process = subprocess.Popen(["taskset", "-c", cores, *contestant.argv], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=log, env=env, text=True, bufsize=1)
        self.ready = self.answer()["ready"]

    def unit(self, index, threads):
        """One unit; `others` is how much of the cores it was given other processes used meanwhile (0 = none)."""
        busy, begin = busy_seconds(), time.monotonic()
        unit = self.ask(op="step", index=index)
        foreign = busy_seconds() - busy - unit["cpu_seconds"]
        # What others used beyond the cores left free for them.
        free = (os.cpu_count() - threads) * (time.monotonic() - begin)
        return unit | {"others": max(0.0, foreign - free) / (threads * (time.monotonic() - begin))}

    def ask(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended early, exit status {self.process.wait()}; its messages are in the log")
        value = json.loads(line)
        if "error" in value:
            raise RuntimeError(f"{self.name}: {value['error']}")
        return value

    def quit(self):
        memory = self.ask(op="quit")
        self.process.stdin.close()
        self.process.wait()
        return memory


def wanted(name, filters):
    """Whether a contestant's name passes one of the filters of --only."""
    return any(name == f[1:] if f.startswith("=") else f in name for f in filters)


def run_suite(name, suite, threads, args, rng, log):
    """Plays all rounds of one suite at one thread count; returns its record."""
    children = []
    try:
        for contestant in suite.contestants:
            print(f"  {name}, {threads} thread(s): starting {contestant.name}", file=sys.stderr)
            children.append(Child(contestant, threads, log))
        for number in range(-args.warmup, args.rounds):
            disturbed = play_round(children, number, threads, args, rng)
            if number >= 0:
                shown = ", ".join(f"{c.name} {report.rate(c.units[-1]):.1f}" for c in children)
                print(f"  round {number + 1}/{args.rounds}, tok/s: {shown}{disturbed}", file=sys.stderr)
        return {"suite": name, "title": suite.title, "model": suite.model, "threads": threads, "work": suite.work,
                "contestants": [
                    {"name": c.name, "precision": c.contestant.precision, "argv": c.contestant.argv, "env": c.contestant.env,
                     "ready": c.ready, "units": c.units, "memory": c.quit()} for c in children]}
    finally:
        for child in children:
            if child.process.poll() is None:
                child.process.kill()


def play_round(children, number, threads, args, rng):
    """Every contestant does unit `number` once, in a new order; again if another process took their cores meanwhile."""
    for attempt in range(args.retries + 1):
        units = {child.name: child.unit(max(number, 0), threads) for child in rng.sample(children, len(children))}
        others = max(unit["others"] for unit in units.values())
        if others <= args.max_others or number < 0:
            break
        time.sleep(2.0 * (attempt < args.retries))  # let a burst pass
    if number >= 0:
        for child in children:
            child.units.append(units[child.name])
    return f"; others took {100 * others:.0f} % of the cores" if others > args.max_others else ""


def busy_seconds():
    """CPU seconds that all processes have used since the machine started."""
    with open("/proc/stat", encoding="ascii") as stat:
        user, nice, system, _idle, _wait, irq, soft, steal = map(int, stat.readline().split()[1:9])
    return (user + nice + system + irq + soft + steal) / os.sysconf("SC_CLK_TCK")


def measure_peaks(threads):
    """Builds tools/bench/peak.rs once and runs it for each thread count."""
    program = ROOT / "target/bench-peak"
    source = ROOT / "tools/bench/peak.rs"
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        subprocess.run(["rustc", "--edition", "2024", "-O", "-C", "target-cpu=native", "-o", program, source], check=True)
    run = lambda n: ["taskset", "-c", ",".join(map(str, sorted(os.sched_getaffinity(0))[:n])), program, str(n)]
    return {n: json.loads(subprocess.run(run(n), check=True, capture_output=True, text=True).stdout) for n in threads}


def our_program(choice):
    """The path of our contestant: as given, or benches/engine.rs built by cargo, or None."""
    if choice == "none" or (choice == "cargo" and not (ROOT / "benches/engine.rs").exists()):
        return None
    if choice != "cargo":
        return shlex.split(choice)
    built = subprocess.run(["cargo", "bench", "--bench", "engine", "--no-run", "--message-format=json"], cwd=ROOT,
                           check=True, stdout=subprocess.PIPE, text=True)
    found = [m["executable"] for m in map(json.loads, built.stdout.splitlines())
             if m.get("executable") and m["target"]["name"] == "engine"]
    return [found[-1]]


def python_program(python, script, need):
    """A peer's command, or None with a message when its environment is absent."""
    if subprocess.run([python, "-c", f"import {need}"], capture_output=True, check=False).returncode:
        print(f"left out: {script} ({python} has no {need}; tools/bench/README.md says how to install it)", file=sys.stderr)
        return None
    return [python, str(ROOT / "benches/peers" / script)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"default all: {' '.join(suites.NAMES)}")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--max-others", type=float, default=0.05, help="share of the cores others may use during a unit")
    parser.add_argument("--retries", type=int, default=3, help="times a disturbed round is played again")
    parser.add_argument("--seed", type=int, default=1, help="of the order of contestants")
    parser.add_argument("--models", type=pathlib.Path, default=ROOT / "target/bench-models")
    parser.add_argument("--ours", default="cargo", help="command of our contestant; `cargo` builds benches/engine.rs; `none`")
    parser.add_argument("--torch-python", default="/opt/venv/bin/python")
    parser.add_argument("--llama-python", default="/opt/venv-llama/bin/python")
    parser.add_argument("--only", help="keep contestants whose name contains one of these, comma-separated; =NAME is the whole name")
    parser.add_argument("--json", type=pathlib.Path, help="write everything measured here")
    parser.add_argument("--log", type=pathlib.Path, default=ROOT / "target/bench.log", help="the contestants' stderr")
    args = parser.parse_args()
    threads = [int(n) for n in args.threads.split(",")]
    programs = {"ours": our_program(args.ours), "torch": python_program(args.torch_python, "torch_peer.py", "peft"),
                "llama": python_program(args.llama_python, "llama_peer.py", "llama_cpp")}
    if programs["ours"] is None:
        print("left out: ours (no benches/engine.rs); ratios are to the first peer", file=sys.stderr)
    peaks, records, rng = measure_peaks(threads), [], random.Random(args.seed)
    args.log.parent.mkdir(parents=True, exist_ok=True)
    with open(args.log, "w", encoding="utf-8") as log:
        for name in args.suites or suites.NAMES:
            for n in threads:
                suite = suites.build(name, programs, args.models, n)
                if args.only:
                    suite.contestants = [c for c in suite.contestants if wanted(c.name, args.only.split(","))]
                if suite.contestants:
                    records.append(run_suite(name, suite, n, args, rng, log))
                if args.json:
                    args.json.write_text(json.dumps({"machine": machine(), "peaks": peaks, "records": records}, indent=1))
    print(report.markdown(machine(), peaks, records))


def machine():
    """What a reader needs to judge the figures."""
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False)
    return {"cpu": cpu, "cores": os.cpu_count(), "kernel": platform.release(), "commit": commit.stdout.strip(),
            "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")}


if __name__ == "__main__":
    main()
