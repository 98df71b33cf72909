#!/usr/bin/env python3
"""The library and its peers, side by side, from one run.

    python3 benches/peers/run.py                          all that this machine has
    python3 benches/peers/run.py --peers jax,pytorch --shapes 4x4096x256 --rounds 3 --json FILE
    python3 benches/peers/run.py --python VENV/bin/python -- --adapter SUBSTRING

Order: library, each peer, and so again for every round, and the library once more at the end. All in processes of their own, one
after the other, so that none shares the machine with another. A figure is the median over rounds; its spread, largest less
smallest over the median, shows how far the machine drifted meanwhile. What follows `--` goes to the library's example.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PEERS = {"jax": "jax_scan.py", "pytorch": "pytorch.py", "hgrn": "hgrn.py", "accelerated": "accelerated.py", "cub": "cub.py"}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", default=",".join(PEERS), help=f"of {','.join(PEERS)}; all by default")
    parser.add_argument("--shapes", help="only these: 4x4096x256,64x101x64")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--python", default=sys.executable, help="the interpreter that has the frameworks; this one by default")
    parser.add_argument("--library", metavar="FILE", help="figures of an earlier run of the example, which do not show drift")
    parser.add_argument("--limit", type=float, default=20.0, help="seconds: a peer's call that takes longer is not repeated")
    parser.add_argument("--json", metavar="FILE", help="writes all that was measured")
    parser.add_argument("example", nargs="*", metavar="-- ARGUMENT", help="for the library's example")
    options = parser.parse_args()
    options.peers = options.peers.split(",")
    unknown = set(options.peers) - set(PEERS)
    if unknown or options.rounds < 1:
        parser.error(f"no such peer: {', '.join(sorted(unknown))}" if unknown else "--rounds is at least 1")
    return options


def run_library(options):
    """What the example `roofline` reports."""
    if options.library:
        return json.loads(pathlib.Path(options.library).read_text())
    print("library …", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder, "library.json")
        cargo = [os.environ.get("CARGO", "cargo"), "run", "--quiet", "--release", "--example", "roofline", "--"]
        shapes = [part for shape in (options.shapes or "").split(",") if shape for part in ("--shape", shape.replace("x", ","))]
        # Not the thresholds per channel: the peers have none.
        rows = [] if "--rows" in options.example else ["--rows", "/element"]
        # Its own table goes where the progress goes.
        command = [*cargo, "--json", file, *shapes, *rows, *options.example]
        status = subprocess.run(command, cwd=ROOT, stdout=sys.stderr).returncode
        if status:
            sys.exit(f"the library's example ended with {status}: no figures of it, so nothing to compare with")
        return json.loads(file.read_text())


def run_peer(name, options):
    """The lines that a peer printed. One that breaks off is named as missing, with its last words."""
    print(f"{name} …", file=sys.stderr)
    command = [options.python, HERE / PEERS[name], "--limit", str(options.limit)]
    command += ["--shapes", options.shapes] if options.shapes else []
    done = subprocess.run(command, capture_output=True, text=True)
    lines = []
    for text in done.stdout.splitlines():
        try:
            lines.append(json.loads(text))
        except ValueError:  # compilers at work
            print(text, file=sys.stderr)
    if done.returncode:
        sys.stderr.write(done.stderr)
        words = (done.stderr.strip().splitlines() or ["no word"])[-1]
        lines.append({"peer": name, "missing": f"broke off with {done.returncode}: {words}", "install": "see its messages above"})
    return [line for line in lines if isinstance(line, dict) and "peer" in line]


def comparable(row):
    """What the peers compute: f32, a threshold for every element, one step in twenty sets."""
    return row["element"] == "f32" and row["threshold"] == "element" and abs(row["set_rate"] - 0.05) < 0.01


def library_rates(report):
    """`{(direction, shape): {row name: Gelem/s}}`. A forward row that saves codes moves more, and has its own name."""
    rates = {}
    for row in filter(comparable, report["rows"]):
        name = "bmru saves" if row["direction"] == "forward" and row["saves"] else "bmru"
        rates.setdefault((row["direction"], tuple(row["shape"])), {})[f"{name}, {row['strategy']}"] = row["gelem_per_s"]
    return rates


class Figures:
    """Rates by (direction, shape) and row, one of every run; and why there is none."""

    def __init__(self):
        self.rates, self.skipped = {}, {}

    def add(self, key, name, rate):
        self.rates.setdefault(key, {}).setdefault(name, []).append(rate)

    def add_library(self, report):
        for key, rows in library_rates(report).items():
            for name, rate in rows.items():
                self.add(key, name, rate)

    def add_peer(self, line):
        key = line["direction"], tuple(line["shape"])
        if "skipped" in line:
            self.skipped.setdefault(key, {})[line["peer"]] = line["skipped"]
        else:
            self.add(key, line["peer"], line["gelem_per_s"])


def spread(rates):
    return (max(rates) - min(rates)) / statistics.median(rates)


def reference(key, library, figures):
    """The library's row that peers are held against: that which does the same work, the plain forward one."""
    rows = library.rates.get(key, {})
    plain = [name for name in rows if "saves" not in name] or list(rows)
    return (plain[0], statistics.median(rows[plain[0]])) if plain else (None, None)


def table(library, figures):
    """Rows of the table, as dictionaries: what is printed, and what `--json` keeps."""
    keys = list(figures.rates) + [key for key in figures.skipped if key not in figures.rates]
    keys += [key for key in library.rates if key not in keys]
    out = []
    for direction, shape in sorted(keys, key=lambda key: key[0] != "forward"):
        key = direction, shape
        against, rate = reference(key, library, figures)
        for source, rows in (("library", library.rates.get(key, {})), ("peer", figures.rates.get(key, {}))):
            for name, rates in rows.items():
                here = statistics.median(rates)
                ratio = rate / here if rate and name != against else None
                line = dict(direction=direction, shape=shape, source=source, name=name, gelem_per_s=here, spread=spread(rates))
                out.append(line | dict(measured=len(rates), library_over_it=ratio, against=against))
        for name, why in figures.skipped.get(key, {}).items():
            if name not in figures.rates.get(key, {}):
                out.append(dict(direction=direction, shape=shape, source="peer", name=name, skipped=why))
    return out


def show(rows):
    width = max([len(row["name"]) for row in rows], default=0) + 4
    print(f"\n{'Gelem/s':>{width + 10}} {'spread':>8} {'library / it':>13}")
    group = None
    for row in rows:
        if group != (group := (row["direction"], row["shape"])):
            print(f"{row['direction']} {'x'.join(map(str, row['shape']))}")
        name = f"  {row['name']:<{width}}"
        if "skipped" in row:
            print(f"{name} – {row['skipped']}")
            continue
        drift = f"{row['spread']:.0%}" if row["measured"] > 1 else "–"
        ratio = f"{row['library_over_it']:.2f}" if row["library_over_it"] else "–" if row["source"] == "peer" else ""
        print(f"{name}{row['gelem_per_s']:>8.3f} {drift:>8} {ratio:>13}")


def main():
    options = arguments()
    library, figures, reports, lines = Figures(), Figures(), [], []
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    for number in range(options.rounds):
        reports.append(run_library(options))
        for name in options.peers:
            lines += [dict(line, round=number + 1) for line in run_peer(name, options)]
    if not options.library:
        reports.append(run_library(options))
    for report in reports[: 1 if options.library else None]:
        library.add_library(report)
    if options.shapes:
        kept = {tuple(int(length) for length in shape.split("x")) for shape in options.shapes.split(",")}
        library.rates = {key: rows for key, rows in library.rates.items() if key[1] in kept}
    missing = {}
    devices = {}
    for line in lines:
        if "missing" in line:
            missing[line["peer"]] = line
        else:
            figures.add_peer(line)
            devices.setdefault((line["version"], line["device"]), set()).add(line["peer"])

    print(f"library: {reports[0].get('adapter')}, {reports[0].get('driver')}, copy {reports[0].get('copy_gbps')} GB/s")
    if load is not None:
        note = "; busy, and frameworks suffer unequally" if load > 0.5 else ""
        print(f"load before the first run: {load:.1f} on {os.cpu_count()} cores{note}")
    if options.library:
        print("  figures of a file, not of this run: the ratios hold only if the machine was the same and as busy")
    for (version, device), names in devices.items():
        print(f"{', '.join(sorted(names))}: {version}, {device}")
    rows = table(library, figures)
    show(rows)
    drifts = [spread(rates) for named in library.rates.values() for rates in named.values() if len(rates) > 1]
    if drifts:
        middle = statistics.median(drifts)
        print(f"\nthe library from its first run to its last: spread {middle:.0%} in the median, {max(drifts):.0%} at most")
    for line in missing.values():
        print(f"\nmissing: {line['peer']}: {line['missing']}\n  install: {line['install']}")
    if options.json:
        whole = dict(load=load, library=reports, library_from_file=bool(options.library), peers=lines, table=rows)
        whole["missing"] = list(missing.values())
        pathlib.Path(options.json).write_text(json.dumps(whole, indent=1) + "\n")


if __name__ == "__main__":
    main()
