// Holds what was read back against the checks of a run.

import { words } from './stream.mjs';

const hex = (word) => `0x${word.toString(16).padStart(8, '0')}`;

const word = new Uint32Array(1);
const float = new Float32Array(word.buffer);

/** The number that is an f32 with these bits. */
function single(bits) {
    word[0] = bits;
    return float[0];
}

/** The number that is an f16 with these bits. */
function half(bits) {
    const [sign, exponent, fraction] = [bits & 0x8000 ? -1 : 1, bits >> 10 & 0x1f, bits & 0x3ff];
    if (exponent === 0x1f) return fraction ? NaN : sign * Infinity;
    return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
}

const ELEMENTS = {
    f32: { Bits: Uint32Array, decode: single },
    f16: { Bits: Uint16Array, decode: half },
    bf16: { Bits: Uint16Array, decode: (bits) => single(bits << 16) },
};

/** How many bits of a word are 1. */
function ones(word) {
    let count = 0;
    for (let rest = word; rest !== 0; rest &= rest - 1) count += 1;
    return count;
}

/**
 * What came of a case: words that are wrong, the first of them, their wrong bits where bits are compared, and the largest error as a
 * share of what is allowed: infinite for NaN, -1 where no error is allowed.
 */
export class Outcome {
    wrong = 0;
    wrongBits = 0;
    first = '';
    ratio = -1;

    #wrong(text) {
        if (this.wrong === 0) this.first = text();
        this.wrong += 1;
    }

    /** `held` are the words read back for each check, `first` those of the case's first run by buffer. */
    check(record, run, held, first) {
        run.checks.forEach((check, number) => {
            const { label, words: before } = run.buffers[check.buffer];
            const actual = held[number];
            if (check.exact) this.#same(label, actual, words(record.data, check.exact));
            if (check.untouched_from !== undefined) {
                this.#same(label, actual, words(record.data, before).subarray(check.untouched_from / 4));
            }
            if (check.as_first) this.#same(label, actual, first.get(check.buffer));
            if (check.within) this.#within(label, actual, words(record.data, before), record.data, check.within);
        });
    }

    #same(label, actual, expected) {
        if (actual.length !== expected.length) this.#wrong(() => `${label} has ${actual.length} words, not ${expected.length}`);
        for (let at = 0; at < expected.length; at++) {
            if (actual[at] !== expected[at]) {
                this.wrongBits += ones(actual[at] ^ expected[at]);
                this.#wrong(() => `${label}[${at}] is ${hex(actual[at])}, expected ${hex(expected[at])}`);
            }
        }
    }

    #within(label, actual, before, data, { element, wanted, allowed }) {
        const floats = ([offset, length]) => new Float64Array(data, offset, length / 8);
        const [middle, radius] = [floats(wanted), floats(allowed)];
        const { Bits, decode } = ELEMENTS[element];
        const [bits, untouched] = [new Bits(actual.buffer), new Bits(before.buffer)];
        for (let at = 0; at < bits.length; at++) {
            if (radius[at] < 0) {
                if (bits[at] !== untouched[at]) this.#wrong(() => `${label}[${at}] was written, but no element is there`);
                continue;
            }
            const value = decode(bits[at]);
            const error = Math.abs(value - middle[at]);
            // The same infinity, or NaN where one is wanted: a copy of what was put in.
            const same = Object.is(value, middle[at]) || error === 0;
            let share = same || radius[at] === Infinity ? 0 : error / radius[at];
            if (Number.isNaN(share)) share = Infinity;
            this.ratio = Math.max(this.ratio, share);
            if (share > 1) this.#wrong(() => `${label}[${at}] is ${value}, expected ${middle[at]} ± ${radius[at]}`);
        }
    }
}
