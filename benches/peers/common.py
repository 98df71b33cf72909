"""What all peers share: shapes, inputs, the sequential loop, the clock, and the lines that they print.

A peer prints one JSON line per (peer, direction, shape), nothing else on its standard output:

    {"peer", "version", "device", "direction", "shape": [B, T, D], "ms", "iqr_ms", "gelem_per_s", "verified", "runs"}
    {"peer", "version", "device", "direction", "shape", "skipped": "why"}      what is not timed, and why
    {"peer", "missing": "why", "install": "how"}                               what this machine does not have
"""

import argparse
import importlib
import json
import sys
import time
import traceback

try:
    import numpy as np
except ImportError:
    np = None

# Large ones, a ragged one, one step, and those that people run: as `integrations/measure/src/shapes.rs` has them.
SHAPES = [
    (4, 4096, 256),
    (32, 1024, 128),
    (1, 4096, 2048),
    (1, 65536, 64),
    (1, 4194304, 1),
    (64, 64, 1024),
    (3, 1000, 37),
    (4096, 1, 1024),
    (64, 784, 64),
    (64, 2000, 64),
    (64, 512, 256),
    (64, 4096, 256),
    *((64, 101, channels) for channels in (16, 32, 64, 128, 256, 512)),
    *((1, 1, channels) for channels in (64, 256, 1024, 4096)),
]
# Too long for a CPU.
CUDA_SHAPES = [(16, 16384, 128)]

SET_RATE = 0.05
SEED = 7
# The bound for gradients, in units of the sum of all |terms| that reach an element. An addition that is lost, repeated or
# misplaced is an error of about one term; rounding of float32 sums of some dozens of terms stays below this. Chosen, not derived:
# it tells right from wrong, no more.
TOLERANCE = 1e-5


def arguments(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--shapes", help="only these: 4x4096x256,64x101x64")
    parser.add_argument("--limit", type=float, default=20.0, help="seconds: a row whose call takes longer is not repeated")
    return parser


def chosen_shapes(options, cuda):
    shapes = SHAPES + (CUDA_SHAPES if cuda else [])
    if options.shapes:
        shapes = [tuple(int(length) for length in shape.split("x")) for shape in options.shapes.split(",")]
    return shapes


def say(**line):
    print(json.dumps(line), flush=True)


def missing(peer, why, install):
    """Names a peer that this machine does not have, and ends the process: this is an answer, not a failure."""
    say(peer=peer, missing=str(why).strip().splitlines()[-1] if str(why).strip() else type(why).__name__, install=install)
    sys.exit(0)


def need(peer, install, *modules):
    """Imports what a peer needs, or names the peer as missing."""
    if np is None:
        missing(peer, "No module named 'numpy'", install)
    try:
        return [importlib.import_module(module) for module in modules]
    except Exception as error:  # a build for CUDA without its libraries or its driver raises all sorts
        missing(peer, error, install)


class Case:
    """Inputs of one shape, and what the sequential loop makes of them."""

    def __init__(self, shape):
        B, T, D = self.shape = shape
        random = np.random.default_rng(SEED)
        self.c = random.standard_normal(shape, dtype=np.float32)
        # No zero, neither here nor as a threshold: frameworks differ in what the derivative of |x| is there.
        self.c[self.c == 0] = 1
        # One step in twenty sets. A threshold lies below its candidate by a factor, or above it by a sum, and has a sign.
        self.z = random.random(shape, dtype=np.float32) < SET_RATE
        part = 1 - random.random(shape, dtype=np.float32)
        magnitude = np.abs(self.c)
        self.r = np.where(self.z, magnitude * part, magnitude + part) * np.where(part < 0.5, np.float32(-1), np.float32(1))
        # What the rounding of the two lines above made of it.
        self.z = magnitude > np.abs(self.r)
        self.alpha = random.uniform(0.5, 2.0, D).astype(np.float32)
        self.dh = random.standard_normal(shape, dtype=np.float32)
        self._states = None

    @property
    def elements(self):
        return self.c.size

    def states(self):
        """The states, by the plain loop over time. The initial state is 0."""
        if self._states is None:
            value = np.where(np.signbit(self.c), -self.alpha, self.alpha)
            self._states = np.empty_like(self.c)
            for b in range(self.shape[0]):
                self._states[b] = _hold(self.z[b], value[b])
        return self._states

    def gradients(self, b):
        """The gradients of sequence `b` in double precision, each with the sum of the magnitudes of its terms.

        `{name: (value, terms)}` for `g` (of the states themselves), `c`, `r`, and this sequence's part of `alpha`.
        Surrogates are those that the library takes by default: ArcTan of slope 2, and twice that for the sign.
        """
        c, r, z, h = (tensor[b].astype(np.float64) for tensor in (self.c, self.r, self.z, self.states()))
        alpha, z = self.alpha.astype(np.float64), z != 0
        g, terms = (_adjoint(z, dh) for dh in (self.dh[b].astype(np.float64), np.abs(self.dh[b]).astype(np.float64)))
        before = np.concatenate([np.zeros((1, c.shape[1])), h[:-1]])
        sign = np.where(np.signbit(c), -1.0, 1.0)
        phi, psi = arctan(np.abs(c) - np.abs(r)), 2 * arctan(c)
        # Automatic differentiation does not subtract the two parts of w before it multiplies: they round apart.
        w, parts = alpha * sign - before, alpha + np.abs(before)
        value = z * alpha * psi
        return {
            "g": (g, terms),
            "c": (g * value + np.sign(c) * phi * g * w, terms * (value + phi * parts)),
            "r": (-np.sign(r) * phi * g * w, terms * phi * parts),
            "alpha": ((z * g * sign).sum(0), (z * terms).sum(0)),
        }

    def wrong_states(self, h):
        """Why these are not the states, or None. Bit for bit."""
        want, have = self.states().view(np.uint32), np.ascontiguousarray(h, dtype=np.float32).view(np.uint32)
        if have.shape != want.shape:
            return f"shape {have.shape}"
        differ = np.count_nonzero(want != have)
        return f"wrong: {differ} of {want.size} states differ" if differ else None

    def wrong_gradients(self, got):
        """Why these are not the gradients, or None. `got` names some of `g`, `c`, `r` as [B,T,D], and `alpha` as [D]."""
        alpha = [0.0, 0.0]
        for b in range(self.shape[0]):
            want = self.gradients(b)
            alpha = [total + part for total, part in zip(alpha, want["alpha"])]
            for name in set(got) - {"alpha"}:
                if problem := _far(name, np.asarray(got[name][b]), *want[name]):
                    return problem
        return _far("alpha", np.asarray(got["alpha"]), *alpha) if "alpha" in got else None


def arctan(u):
    """The surrogate's derivative, on whatever has arithmetic."""
    return 1 / (1 + (np.pi * u) ** 2)


def _far(name, have, want, terms):
    # The last term: the surrogate itself is rounded, and thresholds a little above their candidate leave few digits in u.
    error = np.abs(have.astype(np.float64) - want)
    bad = np.count_nonzero(~(error <= TOLERANCE * (terms + 1e-3)))
    return f"wrong: {bad} of {want.size} gradients of {name} off, by up to {error.max():.1e}" if bad else None


def _hold(z, value):
    """The loop of one sequence, [T,D]."""
    if z.shape[1] == 1:  # numpy takes a microsecond for a step of any width, Python a tenth of it for a single channel
        state, states = 0.0, []
        for sets, to in zip(z[:, 0].tolist(), value[:, 0].tolist()):
            state = to if sets else state
            states.append(state)
        return np.array(states, dtype=value.dtype)[:, None]
    states, state = np.empty_like(value), np.zeros(z.shape[1], value.dtype)
    for t in range(z.shape[0]):
        np.copyto(state, value[t], where=z[t])
        states[t] = state
    return states


def _adjoint(z, dh):
    """The loop backward: what reaches step t is its own gradient, and that of step t+1 if that held. [T,D]"""
    if z.shape[1] == 1:
        following, sums = 0.0, []
        for sets, own in zip(z[::-1, 0].tolist(), dh[::-1, 0].tolist()):
            following += own
            sums.append(following)
            following = 0.0 if sets else following
        return np.array(sums[::-1])[:, None]
    sums, following = np.empty_like(dh), np.zeros(z.shape[1])
    for t in range(z.shape[0] - 1, -1, -1):
        following += dh[t]
        sums[t] = following
        following[z[t]] = 0.0
    return sums


class Bench:
    """Times the rows of one framework on one device."""

    # Between two looks at the clock, so that neither it nor waiting for the device counts.
    LEAST = 5e-3
    # For a row, with at least 5 and at most 30 looks.
    BUDGET = 1.5

    def __init__(self, version, device, options):
        self.version, self.device, self.limit = version, device, options.limit

    def row(self, peer, direction, case, make, skipped=None):
        """One line. `make()` gives `(call, wait, wrong)`.

        `call()` runs once and gives what `wait(result)` waits for, and `wrong(result)` says why it is wrong, or None.
        """
        line = dict(peer=peer, version=self.version, device=self.device, direction=direction, shape=list(case.shape))
        if skipped:
            return say(**line, skipped=skipped)
        try:
            call, wait, wrong = make()
            problem, line["verified"] = wrong(wait(call())), True  # also the first warm-up: it compiles
            if problem:
                return say(**line | {"verified": False}, skipped=problem)
            once = _clock(call, wait, 1)
            if once > self.limit:
                return say(**line, skipped=f"{once:.0f} s a call")
            say(**line, **self._time(call, wait, once, case.elements))
        except Exception as error:  # out of memory, a shape that a framework refuses: the other rows go on
            traceback.print_exc()
            say(**line | {"verified": False}, skipped=f"failed: {type(error).__name__}: {error}".splitlines()[0][:200])

    def _time(self, call, wait, once, elements):
        # The second call may still have been slow: once more, with as many as the clock needs.
        calls = max(1, round(self.LEAST / max(once, 1e-7)))
        calls = max(1, round(self.LEAST * calls / _clock(call, wait, calls)))
        each, start = [], time.perf_counter()
        while len(each) < 5 or (len(each) < 30 and time.perf_counter() - start < self.BUDGET):
            each.append(1e3 * _clock(call, wait, calls) / calls)
            if once > 2 and len(each) == 3:
                break
        low, ms, high = np.percentile(each, [25, 50, 75])
        rate = elements / ms / 1e6
        return dict(ms=round(ms, 5), iqr_ms=round(high - low, 5), gelem_per_s=round(rate, 5), runs=len(each) * calls)


def _clock(call, wait, calls):
    start = time.perf_counter()
    for _ in range(calls):
        result = call()
    wait(result)
    return time.perf_counter() - start
