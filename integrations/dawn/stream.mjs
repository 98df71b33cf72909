// Reads exported plans: the format is described in examples/export/format.rs.

import { createReadStream } from 'node:fs';

const MAGIC = 'BMRUPLAN';
const VERSION = 1;
const HEADER_BYTES = 24;

/** Takes bytes from a readable stream. */
class Source {
    constructor(path) {
        const options = { highWaterMark: 1 << 20 };
        this.chunks = (path === '-' ? process.stdin : createReadStream(path, options))[Symbol.asyncIterator]();
        this.held = Buffer.alloc(0);
    }

    /** The next `length` bytes in memory of their own, or fewer at the end. */
    async take(length) {
        const taken = Buffer.from(new ArrayBuffer(length));
        let filled = 0;
        while (filled < length) {
            if (this.held.length === 0) {
                const { done, value } = await this.chunks.next();
                if (done) break;
                this.held = value;
            }
            const copied = this.held.copy(taken, filled);
            this.held = this.held.subarray(copied);
            filled += copied;
        }
        return taken.subarray(0, filled);
    }
}

async function record(source) {
    const header = await source.take(HEADER_BYTES);
    if (header.length < HEADER_BYTES || header.toString('latin1', 0, 8) !== MAGIC) {
        throw new Error('the stream of plans is broken');
    }
    const version = header.readUInt32LE(8);
    if (version !== VERSION) throw new Error(`plans of version ${version}, expected ${VERSION}`);
    const manifest = await source.take(header.readUInt32LE(12));
    const length = Number(header.readBigUInt64LE(16));
    const data = await source.take(length);
    if (data.length < length) throw new Error('the stream of plans is broken');
    return { ...JSON.parse(manifest.toString('utf8')), data: data.buffer };
}

/** The head of a stream, and its cases one after the other. */
export async function open(path) {
    const source = new Source(path);
    const head = await record(source);
    async function* cases() {
        for (let number = 0; number < head.cases; number++) yield await record(source);
    }
    return { head, cases: cases() };
}

/** Words as numbers. */
export function words(data, { data: [offset, length], bytes, fill }) {
    const all = new Uint32Array(bytes / 4).fill(fill);
    all.set(new Uint32Array(data, offset, length / 4));
    return all;
}
