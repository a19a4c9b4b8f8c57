"""Cases of `versions.py` that make versions, beside rivals: append, commits, upsert.

Every case gets the options, an empty folder and the figures to add to, and returns its title. Tables
are made in processes of their own, so that this one stays smaller than what it measures. Cases that
read versions are in `versions_reads.py`.
"""

import json
import multiprocessing
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from commits import ROWS, rows_of
from edits import plain_text
from lineitem import generate
from open_lake import OpenLake, environment, process, start
from rivals import bytes_below
from versions_rivals import KEY, RIVALS, Rival, created

AGGREGATIONS = 5
COMMITS_IN_TURN = 100


def apart(function, *values):
    """Runs a function in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, values)


def turns(contenders, rounds):
    """Yields each round with the contenders; who comes first moves on by one."""
    order = list(contenders)
    for number in range(rounds):
        first = number % len(order)
        yield number, order[first:] + order[:first]


def write_arrow(table, path):
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table.combine_chunks(), max_chunksize=1 << 17)


def ms(seconds):
    return 1000 * seconds


def add_rival(figures, step, name, taken):
    figures.add(step, name, "ms", ms(taken["durable"]), unsynced=ms(taken["seconds"]),
                peak_mib=taken["peak_mib"])


def add_process(figures, step, who, run, empty, target=None, **more):
    """Adds the time of a process without that of one which does nothing."""
    figures.add(step, who, "ms", ms(run.seconds - empty), target, process=ms(run.seconds), **more,
                peak_mib=run.peak_mib)


def check(what, found):
    """Ends the program where contenders have different rows."""
    for who, value in found.items():
        first = next(iter(found.values()))
        if value[0] != first[0] or abs(value[1] - first[1]) > 1e-9 * abs(first[1]):
            sys.exit(f"{what}: {who} has (rows, sum) {value}, others {first}")


def ours(answer):
    row = answer["data"][0]
    return row["n"], float(row["s"])


def text_types(table):
    """Gives columns the types that CSV has as well: the open lake takes rows as text."""
    def kind(field):
        if pa.types.is_decimal(field.type):
            return pa.float64()
        return pa.int64() if pa.types.is_integer(field.type) else field.type

    table = plain_text(table)
    return table.cast(pa.schema([pa.field(field.name, kind(field)) for field in table.schema]))


def make_lineitem(work, scale, rounds):
    """Writes lineitem, and for each round 1 % more rows: those of the orders that come behind."""
    base = text_types(pq.read_table(generate(work / "base", scale)))
    write_arrow(base, work / "base.arrow")
    for number in range(rounds):
        folder = work / f"more-{number}"
        # A two-hundredth of twice as much; the second half has orders that the base has not.
        subprocess.run([Path(sys.executable).parent / "tpchgen-cli", "parquet", "-s",
                        str(2 * scale), "--tables", "lineitem", "--parts", "200", "--part",
                        str(101 + number), "--output-dir", folder], check=True)
        table = text_types(pq.read_table(next(folder.rglob("lineitem*.parquet"))))
        if pc.min(table["l_orderkey"]).as_py() <= pc.max(base["l_orderkey"]).as_py():
            sys.exit("the generator's second half has orders of its first")
        table = table.slice(0, len(base) // 100)
        write_arrow(table, work / f"more-{number}.arrow")
        pyarrow.csv.write_csv(table, work / f"more-{number}.csv")
    return len(base), len(base) // 100


def append(options, work, figures):
    base_rows, rows = apart(make_lineitem, work, options.scale, options.rounds)
    env, base = environment(work), work / "base.arrow"
    lakes = {"cidlake": work / "lake", "cidlake (process)": work / "lake-2"}
    for lake in lakes.values():
        process(options.binary, lake, env, "store", base, "--name", "t")
    lake = OpenLake(options.binary, lakes["cidlake"], env)
    lake.store("a\n1\n", "csv", "warm", False)
    rivals = {name: created(name, work / name, base) for name in options.only}
    for number, order in turns([*lakes, *rivals], options.rounds):
        arrow = work / f"more-{number}.arrow"
        for who in order:
            if who == "cidlake":
                text = (work / f"more-{number}.csv").read_text()
                run = lake.store(text, "csv", "t", True)
                figures.add("append", who, "ms", ms(run.seconds), peak_mib=run.peak_mib)
            elif who == "cidlake (process)":
                empty = start(options.binary, env)
                run = process(options.binary, lakes[who], env, "store", arrow, "--name", "t",
                              "--append")
                add_process(figures, "append", who, run, empty)
            else:
                add_rival(figures, "append", who, rivals[who].call("append", arrow))
    column = "l_quantity"
    sql = f"SELECT count(*) AS n, sum({column}) AS s FROM t"
    answer = process(options.binary, lakes["cidlake (process)"], env, "sql", sql).answer
    check("append", {"cidlake": ours(lake.query(sql).answer),
                     "cidlake (process)": ours({"data": answer}),
                     **{name: rival.call("aggregate", column)["answer"]
                        for name, rival in rivals.items()}})
    lake.close()
    for rival in rivals.values():
        rival.close()
    return (f"{rows:,} rows of lineitem behind {base_rows:,}, decimals as Float64; cidlake: CSV to "
            "the open lake, (process): an Arrow file to a process, less its start")


def commits(options, work, figures):
    counts = {name: options.commits for name in ("cidlake", *options.only)}
    if "iceberg" in counts:
        counts["iceberg"] = min(options.commits, options.iceberg_commits)
    env = environment(work)
    for number, order in turns(counts, options.rounds):
        folder = work / f"round-{number}"
        folder.mkdir()
        lake = OpenLake(options.binary, folder / "cidlake", env)
        rivals = {name: Rival(name, folder / name) for name in options.only}
        commit_all(lake, rivals, counts, order, figures)
        check_commits("before", lake, rivals, counts, order, figures)
        compact_all(options, folder, env, lake, rivals, order, figures)
        check_commits("after", lake, rivals, counts, order, figures)
        lake.close()
        for rival in rivals.values():
            rival.close()
        shutil.rmtree(folder)
    fewer = "" if counts.get("iceberg", options.commits) == options.commits else (
        f"; iceberg: {counts['iceberg']:,} alone, and all its figures are of those")
    return (f"{options.commits:,} commits of {ROWS} rows to an open lake, each durable{fewer}. "
            "Compacting: " + "; ".join(f"{name}: {RIVALS[name].compaction}"
                                       for name in options.only))


def commit_all(lake, rivals, counts, order, figures):
    """Commits in turn, so many at a time."""
    taken = {who: [] for who in counts}
    for begin in range(0, max(counts.values()), COMMITS_IN_TURN):
        for who in order:
            some = range(begin, min(begin + COMMITS_IN_TURN, counts[who]))
            if who != "cidlake":
                taken[who] += rivals[who].call("commits", some)
                continue
            for version in some:
                run = lake.store(json.dumps(rows_of(version)), "json", "t", version > 0)
                taken[who].append({"durable": run.seconds, "seconds": run.seconds,
                                   "peak_mib": run.peak_mib})
    for who, runs in taken.items():
        sums = {what: sum(run[what] for run in runs) for what in ("durable", "seconds")}
        last = ms(sum(run["durable"] for run in runs[-COMMITS_IN_TURN:]))
        figures.add("all commits", who, "s", sums["durable"], unsynced=sums["seconds"],
                    peak_mib=max(run["peak_mib"] for run in runs))
        figures.add("a commit, of the last hundred", who, "ms",
                    last / len(runs[-COMMITS_IN_TURN:]))


def check_commits(when, lake, rivals, counts, order, figures):
    """Times the aggregation and checks what comes of it."""
    step = f"aggregation {when} compacting"
    expected = {who: (ROWS * count, sum(row["value"] for version in range(count)
                                        for row in rows_of(version)))
                for who, count in counts.items()}
    for _ in range(AGGREGATIONS):
        for who in order:
            if who == "cidlake":
                run = lake.query("SELECT count(*) AS n, sum(value) AS s FROM t")
                found, seconds = ours(run.answer), run.seconds
            else:
                taken = rivals[who].call("aggregate", "value")
                found, seconds = taken["answer"], taken["seconds"]
            check(step, {"the rows": expected[who], who: found})
            figures.add(step, who, "ms", ms(seconds))


def compact_all(options, folder, env, lake, rivals, order, figures):
    for who in order:
        if who == "cidlake":
            empty = start(options.binary, env)
            run = process(options.binary, folder / who, env, "compact", "t")
            parts = f"{run.answer['parts_before']} to {run.answer['parts']}"
            add_process(figures, "compacting", who, run, empty, parts=parts)
        else:
            add_rival(figures, "compacting", who, rivals[who].call("compact"))


def make_changes(work, rows, rounds):
    """Writes the first rows of lineitem with a key, and changes of 1 % of them for each round."""
    scale = max(rows / 6_000_000 * 1.01, 0.001)
    table = plain_text(pq.read_table(generate(work / "base", f"{scale:.4f}"))).slice(0, rows)
    table = table.append_column(KEY, pa.array(range(len(table)), pa.int64()))
    write_arrow(table, work / "base.arrow")
    index = table.schema.get_field_index("l_quantity")
    field = table.schema.field(index)
    for number in range(rounds):
        some = table.take(pa.array(range(number, len(table), 100)))
        more = pc.add(some.column(index), pa.scalar(1, field.type)).cast(field.type)
        write_arrow(some.set_column(index, field, more), work / f"change-{number}.arrow")
    return len(table), len(range(0, len(table), 100))


def upsert(options, work, figures):
    rows, changed = apart(make_changes, work, options.upsert_rows, options.rounds)
    env, base, lake = environment(work), work / "base.arrow", work / "lake"
    stored = process(options.binary, lake, env, "store", base, "--name", "t", "--key", KEY)
    rivals = {name: created(name, work / name, base) for name in options.only}
    figures.add("bytes before", "cidlake", "bytes", bytes_below(lake),
                content=stored.answer["bytes"])
    for name, rival in rivals.items():
        figures.add("bytes before", name, "bytes", rival.bytes())
    for number, order in turns(["cidlake", *rivals], options.rounds):
        change = work / f"change-{number}.arrow"
        for who in order:
            if who == "cidlake":
                before, empty = bytes_below(lake), start(options.binary, env)
                run = process(options.binary, lake, env, "store", change, "--name", "t",
                              "--upsert")
                answer = run.answer
                if answer["rows_updated"] != changed:
                    sys.exit(f"upsert: {answer['rows_updated']} of {changed} rows updated")
                touched = f"{answer['parts_touched']} of {answer['parts_before']}"
                add_process(figures, "upsert", who, run, empty, parts=touched)
                figures.add("bytes more", who, "bytes", bytes_below(lake) - before,
                            blocks=answer["new_bytes"])
            else:
                before = rivals[who].bytes()
                add_rival(figures, "upsert", who, rivals[who].call("upsert", change))
                figures.add("bytes more", who, "bytes", rivals[who].bytes() - before)
    column = "l_quantity"
    sql = f"SELECT count(*) AS n, sum({column}) AS s FROM t"
    found = {"cidlake": ours({"data": process(options.binary, lake, env, "sql", sql).answer})}
    for name, rival in rivals.items():
        count, total = rival.call("aggregate", column)["answer"]
        found[name] = (count, float(total))
        rival.close()
    check("upsert", found)
    return (f"{changed:,} rows, one in a hundred, of {rows:,} get another l_quantity; old versions "
            "stay with all. cidlake: a process, less its start")
