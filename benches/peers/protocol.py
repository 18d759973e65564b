"""The child's side of the benchmark protocol (tools/bench/README.md): JSON lines on stdin and stdout."""
import json
import os
import sys
import time
import traceback

MASK = (1 << 64) - 1


def token_id(edit, row, position, vocab):
    """The id at a place of the benchmark's rows: splitmix64 of (edit, row, position), modulo the vocabulary.

    Every contestant uses this, so that all of them train on the same ids and report the same first loss.
    """
    z = ((edit << 40) + (row << 20) + position + 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return (z ^ (z >> 31)) % vocab


def memory_mib(field):
    """A line of /proc/self/status in MiB; `VmHWM` is the high-water mark of the resident set."""
    with open("/proc/self/status", encoding="ascii") as status:
        for line in status:
            if line.startswith(field + ":"):
                return int(line.split()[1]) / 1024
    return float("nan")


def reset_peak():
    """Starts the high-water mark again from what is resident now (Linux, `man 5 proc`: clear_refs, value 5)."""
    with open("/proc/self/clear_refs", "w", encoding="ascii") as clear:
        clear.write("5")


def serve(setup):
    """Answers the parent until `quit`. `setup()` returns (what to report as ready, a function of the unit's index)."""
    # Libraries print where they like: the parent's pipe is kept apart and their stdout becomes stderr.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    def answer(value):
        answers.write(json.dumps(value) + "\n")

    try:
        ready, step = setup()
        load_peak, loaded = memory_mib("VmHWM"), memory_mib("VmRSS")
        reset_peak()
        answer({"ready": ready})
        for line in sys.stdin:
            request = json.loads(line)
            if request["op"] == "quit":
                step_peak = memory_mib("VmHWM")
                answer({"peak_rss_mib": max(load_peak, step_peak), "peak_step_rss_mib": step_peak, "loaded_rss_mib": loaded})
                return
            busy = time.process_time()
            unit = step(request.get("index", 0))
            answer(unit | {"cpu_seconds": time.process_time() - busy})
    except Exception as error:  # the parent needs the reason, whatever it is
        traceback.print_exc()
        answer({"error": f"{type(error).__name__}: {error}"})
        sys.exit(1)
