#!/usr/bin/env python3
"""Tries the mutants that cargo-mutants finds in the host code, all of them in one build: `scripts/mutants.sh --host`.

cargo-mutants builds the crate anew for each mutant, which takes most of its time. Here each function holds its body and the mutants
of it, one below the other, and an environment variable says which of them runs. What does not compile is taken out, as often as there
are errors. Each test runs on its own, so that it is known which functions it reaches and how long it takes: a mutant is put to the tests
that reach it up to the first that fails: the quickest first, the sooner the more others of the same function they have killed.

Mutants outside of functions, and those of functions that constants are made of, are listed as not tried: cargo-mutants itself can try them.
Those that compute the same are in `host.toml`, with the reason; an entry that fits no mutant, or one that a test kills, is an error.
"""

import argparse
import collections
import itertools
import json
import os
import pathlib
import re
import resource
import shutil
import subprocess
import sys
import threading
import tomllib

SWITCH = """
/// Which mutant runs; a test that is asked to tells the functions that it reaches.
#[doc(hidden)]
pub mod mutants_switch {
    use std::io::Write;
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    static ACTIVE: LazyLock<u32> = LazyLock::new(|| std::env::var("BMRU_MUTANT").map_or(u32::MAX, |n| n.parse().unwrap()));
    static REACHED: LazyLock<Option<String>> = LazyLock::new(|| std::env::var("BMRU_REACHED").ok());
    static SEEN: [AtomicBool; COUNT] = [const { AtomicBool::new(false) }; COUNT];

    #[inline]
    pub fn active(function: usize) -> u32 {
        if let Some(path) = &*REACHED && !SEEN[function].swap(true, Relaxed) {
            let mut file = std::fs::File::options().append(true).create(true).open(path).unwrap();
            file.write_all(format!("{function}\\n").as_bytes()).unwrap();
        }
        *ACTIVE
    }
}
"""
TESTS = ["adjoint", "bind", "cpu"]


def offset(lines, place):
    """Of a line and a column, both from 1, in a text whose lines begin at `lines`."""
    return lines[place["line"] - 1] + place["column"] - 1


def head(text, start):
    """Where the line with the word `fn` begins, behind comments and attributes."""
    at = text.rfind("\n", 0, start) + 1
    return re.compile(r"^(?![ \t]*(?://|#))[^\n]*?\bfn\b", re.MULTILINE).search(text, at).start()


def body(text, start, end):
    """Where the block of a function begins, behind the brace."""
    depth = 0
    for at in range(start, end):
        if text[at] in "([":
            depth += 1
        elif text[at] in ")]":
            depth -= 1
        elif text[at] == "{" and depth == 0:
            return at + 1
    raise ValueError(text[start:end])


class Source:
    """A file, and the mutants of its functions."""

    def __init__(self, path, mutants):
        self.path = path
        self.text = path.read_text()
        self.lines = [0] + [at + 1 for at, c in enumerate(self.text) if c == "\n"]
        self.functions = collections.defaultdict(list)
        for number, mutant in mutants:
            span = mutant["function"]["span"]
            self.functions[offset(self.lines, span["start"]), offset(self.lines, span["end"])].append((number, mutant))
        # From where to where in the text written last, and what is there.
        self.places = []

    def write(self, path, numbers, refused, kept):
        """Each function with its mutants; `numbers` has one for each function."""
        out, at = [], 0
        self.places = []
        # From the outer to the inner ones: an inner one is in the arm without a change.
        edits = []
        for (start, end), mutants in self.functions.items():
            alive = [(n, m) for n, m in mutants if n not in refused]
            if (self.path, start) in kept or not alive:
                continue
            line = head(self.text, start)
            const = re.compile(r"[^\n]*?\bconst (?=fn\b)").match(self.text, line)
            if const:
                edits.append((const.end() - 6, const.end(), ""))
            first = body(self.text, line, end)
            arms = [(self.path, start), self.text.count("\n", first, end), f"match crate::mutants_switch::active({numbers[self.path, start]}) {{"]
            for number, mutant in alive:
                low, high = (offset(self.lines, mutant["span"][side]) for side in ("start", "end"))
                arms.append((number, f"{number} => {{{self.text[first:low]}{mutant['replacement']}{self.text[high:end - 1]}}}"))
            edits.append((first, first, arms))
            edits.append((end - 1, end - 1, "}}"))
        line = 1

        def put(piece):
            nonlocal line
            out.append(piece)
            line += piece.count("\n")

        for low, high, piece in sorted(edits, key=lambda edit: edit[:2]):
            put(self.text[at:low])
            at = high
            if isinstance(piece, str):
                put(piece)
                continue
            function, length, switch, *arms = piece
            put(switch + "\n")
            for number, arm in arms:
                begin = line
                put(arm + "\n")
                self.places.append((begin, line - 1, number))
            self.places.append((line, line + length, function))
            put("_ => {")
        put(self.text[at:])
        path.write_text("".join(out))

    def at(self, line):
        """The mutant that stands there, or the function without a change."""
        return next((number for low, high, number in self.places if low <= line <= high), None)


def change(source, mutant):
    """A mutant as entries have it: the lines that it is in, before and after."""
    low, high = (offset(source.lines, mutant["span"][side]) for side in ("start", "end"))
    first, last = source.text.rfind("\n", 0, low) + 1, source.text.find("\n", high)
    after = source.text[first:low] + mutant["replacement"] + source.text[high:last]
    squeezed = [" ".join(text.split()) for text in (source.text[first:last], after)]
    return mutant["file"], mutant["function"]["function_name"], *squeezed


def build(tree, target):
    """The test programs, or the errors: file, line, code and message."""
    command = ["cargo", "test", "--no-run", "--features", "host", "--message-format=json", "--package", "bmru"]
    for test in TESTS:
        command += ["--test", test]
    environment = dict(os.environ, CARGO_TARGET_DIR=str(target), RUSTFLAGS="--cap-lints=allow", CARGO_INCREMENTAL="0")
    done = subprocess.run(command, cwd=tree, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    programs, errors = {}, []
    for line in done.stdout.splitlines():
        message = json.loads(line)
        if message["reason"] == "compiler-artifact" and message.get("executable") and message["target"]["name"] in TESTS:
            programs[message["target"]["name"]] = message["executable"]
        elif message["reason"] == "compiler-message" and message["message"]["level"] == "error":
            spans = [span for span in message["message"]["spans"] if span["is_primary"]]
            code = (message["message"].get("code") or {}).get("code")
            for span in spans:
                while span.get("expansion") and not span["file_name"].startswith("src/"):
                    span = span["expansion"]["span"]
                errors.append((span["file_name"], span["line_start"], code, message["message"]["message"]))
    if done.returncode and not errors:
        sys.exit("the tests do not build")
    return programs, errors


def run(program, test, tree, seconds, **environment):
    """Whether a test passes; it is ended after so many seconds of processor time."""

    def limit():
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = dict(os.environ, RUST_BACKTRACE="0", CARGO_MANIFEST_DIR=str(tree), **environment)
    try:
        done = subprocess.run([program, "--exact", test, "--test-threads", "1"], cwd=tree, env=environment, preexec_fn=limit,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=20 * seconds)
        passed = done.returncode == 0
    except subprocess.TimeoutExpired:
        passed = False
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return passed, after.ru_utime - before.ru_utime


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", required=True, type=pathlib.Path, help="where the changed tree, its build and the log go")
    parser.add_argument("--match", default="", help="only mutants whose name matches this regular expression")
    parser.add_argument("--again", action="store_true", help="only those that have survived, or were not tried yet, of the same library")
    parser.add_argument("--seconds", default=3600, type=float, help="of tests for each mutant, the quickest of those that reach it")
    parser.add_argument("--jobs", default=os.cpu_count(), type=int)
    options = parser.parse_args()
    root = pathlib.Path.cwd()
    found = json.loads(subprocess.check_output(["cargo", "mutants", "--list", "--json", "--package", "bmru"]))
    found = [mutant for mutant in found if re.search(options.match, mutant["name"])]

    tree = options.target / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    for name in subprocess.check_output(["git", "ls-files"], text=True).splitlines():
        if (root / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, tree / name)
    outside = [mutant["name"] for mutant in found if not mutant["function"]]
    by_file = collections.defaultdict(list)
    for number, mutant in enumerate(found):
        if mutant["function"]:
            by_file[mutant["file"]].append((number, mutant))
    sources = {file: Source(root / file, mutants) for file, mutants in by_file.items()}
    numbers, function_of = {}, {}
    for source in sources.values():
        for (start, _), mutants in source.functions.items():
            numbers[source.path, start] = len(numbers)
            function_of.update((number, len(numbers) - 1) for number, _ in mutants)
    library = tree / "src/lib.rs"
    library.write_text(library.read_text() + SWITCH.replace("COUNT", str(len(numbers))))

    refused, kept = set(), set()
    # By name: what the compiler has refused before is not asked again.
    memory = options.target / "refused.json"
    if options.again and memory.exists():
        before = json.loads(memory.read_text())
        refused = {number for number, mutant in enumerate(found) if mutant["name"] in before["mutants"]}
        kept = {(root / file, start) for file, start in before["functions"]}
    while True:
        for file, source in sources.items():
            source.write(tree / file, numbers, refused, kept)
        programs, errors = build(tree, options.target / "build")
        if not errors:
            break
        places = {sources[file].at(line) for file, line, _, _ in errors if file in sources} - {None}
        fresh = {place for place in places if isinstance(place, int)}
        kept_before = set(kept)
        # An error without a change: the types of the arms are not the same, as those of closures.
        kept |= places - fresh
        refused |= fresh
        print(f"{len(fresh)} do not compile, {len(kept - kept_before)} functions stay as they are", flush=True)
        if not fresh and places <= kept_before:
            # A constant that is made by a function, which had better stay as it is.
            for file, line, code, message in errors:
                name = re.search(r"`(?:\w+::|<.*>::)*(\w+)`", message) if code == "E0015" else None
                if not name:
                    sys.exit(f"{file}:{line}: {message}")
                for source in sources.values():
                    for start, end in source.functions:
                        if re.compile(rf"[^\n]*\bfn {name[1]}\b").match(source.text, head(source.text, start)):
                            kept.add((source.path, start))

    memory.write_text(json.dumps({
        "mutants": [found[number]["name"] for number in refused],
        "functions": [(str(path.relative_to(root)), start) for path, start in kept],
    }))
    kept_functions = {numbers[key] for key in kept}
    # Of functions that stay as they are it is not known.
    refused -= {number for number in refused if function_of[number] in kept_functions}
    for number in sorted(refused):
        print(f"does not compile: {found[number]['name']}")
    tests, reaching = [], collections.defaultdict(list)
    for program in programs.values():
        listed = subprocess.check_output([program, "--list", "--format", "terse"], text=True, cwd=tree)
        for name in (line.removesuffix(": test") for line in listed.splitlines() if line.endswith(": test")):
            reached = options.target / "reached"
            reached.unlink(missing_ok=True)
            passed, seconds = run(program, name, tree, 600, BMRU_REACHED=str(reached))
            if not passed:
                sys.exit(f"{name} fails without a change")
            test = (seconds, program, name)
            tests.append(test)
            for function in set(map(int, reached.read_text().split())) if reached.exists() else ():
                reaching[function].append(test)
    print(f"{len(tests)} tests, {sum(test[0] for test in tests):.0f} s", flush=True)

    todo = [n for n, m in enumerate(found) if m["function"] and n not in refused and function_of[n] not in kept_functions]
    verdicts, kills, log = {}, collections.Counter(), options.target / "verdicts.tsv"
    if options.again and log.exists():
        before = dict(reversed(line.split("\t")) for line in log.read_text().splitlines())
        for number in todo:
            killer = re.match("killed by (.*)", before.get(found[number]["name"], ""))
            if killer:
                verdicts[number] = killer[1]
                kills[function_of[number], killer[1]] += 1
        todo = [number for number in todo if number not in verdicts]
    log = log.open("a" if options.again else "w")
    queue, lock = iter(todo), threading.Lock()

    def work():
        while True:
            with lock:
                number = next(queue, None)
                if number is None:
                    return
                function = function_of[number]
                order = sorted(reaching[function], key=lambda test: test[0] / (1 + kills[function, test[2]]))
                taken = itertools.accumulate(test[0] for test in order)
                order = [test for test, seconds in zip(order, taken) if seconds <= options.seconds]
            killer = next((name for seconds, program, name in order
                           if not run(program, name, tree, int(20 + 5 * seconds), BMRU_MUTANT=str(number))[0]), None)
            with lock:
                verdicts[number] = killer
                if killer:
                    kills[function, killer] += 1
                else:
                    print(f"survived {len(order)} tests: {found[number]['name']}", flush=True)
                log.write(f"{'killed by ' + killer if killer else 'survived'}\t{found[number]['name']}\n")
                log.flush()

    threads = [threading.Thread(target=work) for _ in range(options.jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    same = {(e["file"], e["function"], e["from"], to): e["why"]
            for e in tomllib.loads((root / "integrations/mutants/host.toml").read_text()).get("equivalent", ()) for to in e["to"]}
    changes = {n: change(sources[found[n]["file"]], found[n]) for n in function_of}
    wrong = [key for key in same if key not in changes.values() and not options.match]
    wrong += [changes[n] for n, killer in verdicts.items() if killer and changes[n] in same]
    for key in wrong:
        print(f"an entry that fits no mutant, or is killed: {key}")
    killed = sum(killer is not None for killer in verdicts.values())
    known = sum(killer is None and changes[n] in same for n, killer in verdicts.items())
    for n, killer in sorted(verdicts.items()):
        if killer is None and changes[n] not in same:
            _, function, before, after = changes[n]
            print(f"survived: {found[n]['name']}\n    - {before}\n    + {after}")
    left = outside + [found[n]["name"] for n in function_of if function_of[n] in kept_functions and n not in refused]
    for name in left:
        print(f"not tried: {name}")
    share = 100 * killed / max(1, len(verdicts) - known)
    print(f"{len(found)} mutants: {len(refused)} do not compile, {len(left)} not tried, {killed} of {len(verdicts)} killed, "
          f"{known} compute the same: {share:.1f} %")
    sys.exit(1 if wrong or killed + known < len(verdicts) else 0)


main()
