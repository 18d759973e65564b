"""From the raw units of compare.py to a Markdown table: medians, quartiles, paired ratios, share of the measured peak."""
import statistics


def rate(unit):
    """Real tokens per second of one unit."""
    return unit["tokens"] / unit["seconds"]


def quartiles(values):
    """(lower quartile, median, upper quartile)."""
    if len(values) < 2:
        return values[0], values[0], values[0]
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high


def paired_ratio(units, others):
    """Median over the rounds of units' speed / others' speed; the k-th units of both did the same work.

    Whole-work seconds are compared (`seconds` x `scale`), so that a contestant may measure a part of a long unit.
    """
    return statistics.median(whole(o) / whole(u) for u, o in zip(units, others, strict=True))


def whole(unit):
    """Seconds of the whole unit, of which `1 / scale` was measured."""
    return unit["seconds"] * unit.get("scale", 1)


def peak_share(contestant, work, peak):
    """The larger of: useful operations over the peak of its precision, and bytes read over the memory's read rate."""
    speed = statistics.median(rate(u) for u in contestant["units"])
    wide = 2 if contestant["precision"] == "f32" else 1
    compute = speed * work["flops_per_token"] / (1e9 * peak["f32_gflops" if wide == 2 else "bf16_gflops"])
    memory = speed * work["bytes_per_token"] * wide / (1e9 * peak["read_gb_per_s"])
    return (compute, "compute") if compute >= memory else (memory, "memory")


def suite_table(record, peak):
    """The rows of one suite at one thread count."""
    first = record["contestants"][0]
    decode = record["work"]["workload"] == "decode"
    lines = [
        f"### {record['title']}; {record['model']}; {record['threads']} thread(s), {len(first['units'])} rounds",
        "",
        f"| contestant | tok/s, median [quartiles] | seconds, median | {'prefill ms | ' if decode else ''}"
        f"{first['name']} is faster by | peak MiB | of {first['name']}'s | share of peak |",
        "|---|---|---|---|---|---|---|" + ("---|" if decode else ""),
    ]
    for c in record["contestants"]:
        low, middle, high = quartiles([rate(u) for u in c["units"]])
        seconds = statistics.median(whole(u) for u in c["units"])
        prefill = f"{1e3 * statistics.median(u['prefill_seconds'] for u in c['units']):.0f} | " if decode else ""
        ratio = "" if c is first else f"x{paired_ratio(first['units'], c['units']):.2f}"
        memory = c["memory"]["peak_step_rss_mib"]
        against = "" if c is first else f"{memory / first['memory']['peak_step_rss_mib']:.2f}"
        share, of = peak_share(c, record["work"], peak)
        lines.append(f"| {c['name']} | {middle:.1f} [{low:.1f}-{high:.1f}] | {seconds:.3g} | {prefill}{ratio} | {memory:.0f} | "
                     f"{against} | {100 * share:.0f} % {of} |")
    notes = agreement(record)
    others = max(u["others"] for c in record["contestants"] for u in c["units"])
    if others > 0.05:
        notes.append(f"The machine was not idle: in the worst unit others took {100 * others:.0f} % of the cores.")
    return lines + [""] + notes + [""] * bool(notes)


def agreement(record):
    """A line on whether the contestants computed the same thing: first losses, or the first ids written."""
    units = {c["name"]: c["units"][0] for c in record["contestants"]}
    losses = {name: u["loss"] for name, u in units.items() if u.get("loss") is not None}
    notes = []
    if len(losses) > 1:
        spread = max(losses.values()) / min(losses.values()) - 1
        notes.append(f"Loss in the first round: {', '.join(f'{n} {v:.3f}' for n, v in losses.items())} (spread {100 * spread:.1f} %).")
    ids = {name: u["first_ids"] for name, u in units.items() if "first_ids" in u}
    if len(ids) > 1:
        same = all(v == next(iter(ids.values())) for v in ids.values())
        notes.append("First ids written: the same for all." if same else f"First ids written differ: {ids}.")
    return notes


def markdown(machine, peaks, records):
    """The whole report."""
    lines = [f"Machine: {machine['cpu']}, {machine['cores']} cores, Linux {machine['kernel']}; commit {machine['commit']}; {machine['date']}.", "",
             "| threads | f32 GF/s | bf16 GF/s | memory read GB/s |", "|---|---|---|---|"]
    lines += [f"| {n} | {p['f32_gflops']} | {p['bf16_gflops']} | {p['read_gb_per_s']} |" for n, p in peaks.items()]
    lines.append("")
    for record in records:
        lines += suite_table(record, peaks[record["threads"]])
    return "\n".join(lines)
