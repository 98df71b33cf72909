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


class Mutants:
    """All of them, by number, in a tree of their own with the test programs that are built of it."""

    def __init__(self, root, target, match):
        self.root, self.target, self.tree = root, target, target / "tree"
        found = json.loads(subprocess.check_output(["cargo", "mutants", "--list", "--json", "--package", "bmru"]))
        self.found = [mutant for mutant in found if re.search(match, mutant["name"])]
        if not self.found:
            sys.exit(f"no mutant's name matches {match!r}")
        by_file = collections.defaultdict(list)
        for number, mutant in enumerate(self.found):
            if mutant["function"]:
                by_file[mutant["file"]].append((number, mutant))
        self.sources = {file: Source(root / file, mutants) for file, mutants in by_file.items()}
        # A number for each function, and that of each mutant.
        self.numbers, self.function_of = {}, {}
        for source in self.sources.values():
            for (start, _), mutants in source.functions.items():
                self.numbers[source.path, start] = len(self.numbers)
                self.function_of.update((number, len(self.numbers) - 1) for number, _ in mutants)
        # Mutants that do not compile, and functions that stay as they are: file and offset.
        self.refused, self.kept = set(), set()

    def name(self, number):
        return self.found[number]["name"]

    def change(self, number):
        return change(self.sources[self.found[number]["file"]], self.found[number])

    def copy(self):
        shutil.rmtree(self.tree, ignore_errors=True)
        for name in subprocess.check_output(["git", "ls-files"], text=True).splitlines():
            if (self.root / name).is_file():
                (self.tree / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(self.root / name, self.tree / name)
        library = self.tree / "src/lib.rs"
        library.write_text(library.read_text() + SWITCH.replace("COUNT", str(len(self.numbers))))

    def compile(self, again):
        """The test programs, when all that does not compile is taken out."""
        # By name: what the compiler has refused before is not asked again.
        memory = self.target / "refused.json"
        if again and memory.exists():
            before = json.loads(memory.read_text())
            self.refused = {number for number, mutant in enumerate(self.found) if mutant["name"] in before["mutants"]}
            self.kept = {(self.root / file, start) for file, start in before["functions"]}
        while True:
            for file, source in self.sources.items():
                source.write(self.tree / file, self.numbers, self.refused, self.kept)
            programs, errors = build(self.tree, self.target / "build")
            if not errors:
                break
            self.take_out(errors)
        memory.write_text(json.dumps({
            "mutants": [self.name(number) for number in self.refused],
            "functions": [(str(path.relative_to(self.root)), start) for path, start in self.kept],
        }))
        # Of functions that stay as they are it is not known.
        self.refused -= {number for number in self.refused if self.stays(number)}
        return programs

    def take_out(self, errors):
        places = {self.sources[file].at(line) for file, line, _, _ in errors if file in self.sources} - {None}
        fresh = {place for place in places if isinstance(place, int)}
        before = set(self.kept)
        # An error without a change: the types of the arms are not the same, as those of closures.
        self.kept |= places - fresh
        self.refused |= fresh
        print(f"{len(fresh)} do not compile, {len(self.kept - before)} functions stay as they are", flush=True)
        if fresh or not places <= before:
            return
        # A constant that is made by a function, which had better stay as it is.
        for file, line, code, message in errors:
            name = re.search(r"`(?:\w+::|<.*>::)*(\w+)`", message) if code == "E0015" else None
            if not name:
                sys.exit(f"{file}:{line}: {message}")
            for source in self.sources.values():
                for start, _ in source.functions:
                    if re.compile(rf"[^\n]*\bfn {name[1]}\b").match(source.text, head(source.text, start)):
                        self.kept.add((source.path, start))

    def stays(self, number):
        """Whether the function of a mutant stays as it is."""
        return self.function_of[number] in {self.numbers[key] for key in self.kept}

    def tests(self, programs):
        """For each function the tests that reach it: seconds, program and name."""
        tests, reaching = [], collections.defaultdict(list)
        for program in programs.values():
            listed = subprocess.check_output([program, "--list", "--format", "terse"], text=True, cwd=self.tree)
            for name in (line.removesuffix(": test") for line in listed.splitlines() if line.endswith(": test")):
                reached = self.target / "reached"
                reached.unlink(missing_ok=True)
                passed, seconds = run(program, name, self.tree, 600, BMRU_REACHED=str(reached))
                if not passed:
                    sys.exit(f"{name} fails without a change")
                tests.append((seconds, program, name))
                for function in set(map(int, reached.read_text().split())) if reached.exists() else ():
                    reaching[function].append(tests[-1])
        print(f"{len(tests)} tests, {sum(test[0] for test in tests):.0f} s", flush=True)
        return reaching

    def verdicts(self, reaching, again, limit, jobs):
        """The test that kills, or none, for each mutant that compiles."""
        verdicts, kills, path = {}, collections.Counter(), self.target / "verdicts.tsv"
        todo = [number for number in self.function_of if number not in self.refused and not self.stays(number)]
        if again and path.exists():
            before = dict(reversed(line.split("\t")) for line in path.read_text().splitlines())
            for number in todo:
                if killer := re.match("killed by (.*)", before.get(self.name(number), "")):
                    verdicts[number] = killer[1]
                    kills[self.function_of[number], killer[1]] += 1
        queue, lock = iter([number for number in todo if number not in verdicts]), threading.Lock()
        with path.open("a" if again else "w") as log:

            def work():
                while True:
                    with lock:
                        number = next(queue, None)
                        if number is None:
                            return
                        function = self.function_of[number]
                        order = sorted(reaching[function], key=lambda test: test[0] / (1 + kills[function, test[2]]))
                        taken = itertools.accumulate(test[0] for test in order)
                        order = [test for test, seconds in zip(order, taken) if seconds <= limit]
                    killer = next((name for seconds, program, name in order
                                   if not run(program, name, self.tree, int(20 + 5 * seconds), BMRU_MUTANT=str(number))[0]), None)
                    with lock:
                        verdicts[number] = killer
                        if killer:
                            kills[function, killer] += 1
                        else:
                            print(f"survived {len(order)} tests: {self.name(number)}", flush=True)
                        log.write(f"{'killed by ' + killer if killer else 'survived'}\t{self.name(number)}\n")
                        log.flush()

            threads = [threading.Thread(target=work) for _ in range(jobs)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        return verdicts

    def report(self, verdicts, is_whole):
        """Prints what came of it; whether nothing is left, and no entry is wrong."""
        entries = tomllib.loads((self.root / "integrations/mutants/host.toml").read_text()).get("equivalent", ())
        same = {(entry["file"], entry["function"], entry["from"], to) for entry in entries for to in entry["to"]}
        changes = {number: self.change(number) for number in self.function_of}
        wrong = [key for key in same if is_whole and key not in changes.values()]
        wrong += [changes[number] for number, killer in verdicts.items() if killer and changes[number] in same]
        for key in wrong:
            print(f"an entry that fits no mutant, or is killed: {key}")
        for number in sorted(self.refused):
            print(f"does not compile: {self.name(number)}")
        left = [number for number, mutant in enumerate(self.found)
                if not mutant["function"] or (self.stays(number) and number not in self.refused)]
        for number in left:
            print(f"not tried: {self.name(number)}")
        killed = sum(killer is not None for killer in verdicts.values())
        known = 0
        for number, killer in sorted(verdicts.items()):
            if killer is None and changes[number] in same:
                known += 1
            elif killer is None:
                _, _, before, after = changes[number]
                print(f"survived: {self.name(number)}\n    - {before}\n    + {after}")
        share = 100 * killed / max(1, len(verdicts) - known)
        print(f"{len(self.found)} mutants: {len(self.refused)} do not compile, {len(left)} not tried, {killed} of {len(verdicts)} killed, "
              f"{known} compute the same: {share:.1f} %")
        return not wrong and killed + known == len(verdicts)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", required=True, type=pathlib.Path, help="where the changed tree, its build and the log go")
    parser.add_argument("--match", default="", help="only mutants whose name matches this regular expression")
    parser.add_argument("--again", action="store_true", help="only those that have survived, or were not tried yet, of the same library")
    parser.add_argument("--seconds", default=3600, type=float, help="of tests for each mutant, the quickest of those that reach it")
    parser.add_argument("--jobs", default=os.cpu_count(), type=int)
    options = parser.parse_args()
    mutants = Mutants(pathlib.Path.cwd(), options.target, options.match)
    mutants.copy()
    programs = mutants.compile(options.again)
    verdicts = mutants.verdicts(mutants.tests(programs), options.again, options.seconds, options.jobs)
    sys.exit(0 if mutants.report(verdicts, not options.match) else 1)


main()
