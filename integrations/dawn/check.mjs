// Holds what was read back against the checks of a run.

import { words } from './stream.mjs';

const hex = (word) => `0x${word.toString(16).padStart(8, '0')}`;

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

    #within(label, actual, before, data, { wanted, allowed }) {
        const floats = ([offset, length]) => new Float64Array(data, offset, length / 8);
        const [middle, radius] = [floats(wanted), floats(allowed)];
        const values = new Float32Array(actual.buffer);
        for (let at = 0; at < actual.length; at++) {
            if (radius[at] < 0) {
                if (actual[at] !== before[at]) this.#wrong(() => `${label}[${at}] was written, but no element is there`);
                continue;
            }
            const error = Math.abs(values[at] - middle[at]);
            let share = error === 0 ? 0 : error / radius[at];
            if (Number.isNaN(share)) share = Infinity;
            this.ratio = Math.max(this.ratio, share);
            if (share > 1) this.#wrong(() => `${label}[${at}] is ${values[at]}, expected ${middle[at]} ± ${radius[at]}`);
        }
    }
}
