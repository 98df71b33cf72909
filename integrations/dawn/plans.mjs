// Runs exported plans on Dawn, knowing nothing of the library that made them.
//
//     node plans.mjs PLANS [--layouts auto|declared] [--spoil] [--json FILE --commit HASH]
//
// PLANS is a file, or - for standard input. The adapter is the first that the Vulkan loader shows. Layouts of pipelines are what
// the shader alone decides (auto), or what the plan declares. With --spoil one bit of every buffer is flipped after it was read back, and
// the exit status is 0 only if every case fails: it shows that failures are seen. --json writes a report as docs/gpus has them.

import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import { parseArgs } from 'node:util';
import { create, globals } from 'webgpu';

import { Outcome } from './check.mjs';
import { Host } from './host.mjs';
import { open } from './stream.mjs';

const { values: options, positionals } = parseArgs({
    allowPositionals: true,
    options: {
        json: { type: 'string' },
        layouts: { type: 'string', default: 'auto' },
        commit: { type: 'string', default: '' },
        spoil: { type: 'boolean', default: false },
    },
});

Object.assign(globalThis, globals);
// Whatever `create` made must outlive all that came of it.
globalThis.gpu = create(['backend=vulkan']);

async function device() {
    const adapter = await globalThis.gpu.requestAdapter();
    if (!adapter) throw new Error('Dawn finds no Vulkan adapter');
    // No feature, and the default limits.
    return { adapter, device: await adapter.requestDevice() };
}

const FILTERS = ['validation', 'out-of-memory', 'internal'];

/** Runs all runs of a case; throws what Dawn has to say against any of them. */
async function runCase(host, record) {
    const outcome = new Outcome();
    const first = new Map();
    for (const run of record.runs) {
        for (const filter of FILTERS) host.device.pushErrorScope(filter);
        let held, thrown;
        try {
            held = await host.run(record, run);
        } catch (error) {
            thrown = error;
        }
        for (const _ of FILTERS) {
            const error = await host.device.popErrorScope();
            // What the host threw came of this.
            if (error) thrown = error;
        }
        if (thrown) throw thrown;
        if (options.spoil) for (const words of held) words[0] ^= 0x40000000;
        if (first.size === 0) run.checks.forEach(({ buffer }, number) => first.set(buffer, held[number].slice()));
        outcome.check(record, run, held, first);
    }
    return outcome;
}

async function main() {
    let { adapter, device: current } = await device();
    const { device: name, description } = adapter.info;
    const { version } = createRequire(import.meta.url)('webgpu/package.json');
    let host = new Host(current, options.layouts);
    let [count, bits, ratio] = [0, 0, -1];
    const failures = [];
    const start = Date.now();
    const { head, cases } = await open(positionals[0]);
    for await (const record of cases) {
        count += 1;
        let failure;
        try {
            const outcome = await runCase(host, record);
            ratio = Math.max(ratio, outcome.ratio);
            if (outcome.wrong > 0) {
                // What is exact is the forward pass.
                if (record.runs[0].checks.some(({ exact }) => exact)) bits += outcome.wrongBits;
                failure = `${outcome.wrong} words are wrong; ${outcome.first}`;
            }
        } catch (error) {
            failure = error.message.trim();
            // Nothing of a device that may be lost is used again.
            current.destroy();
            ({ device: current } = await device());
            host = new Host(current, options.layouts);
        }
        if (process.stderr.isTTY) process.stderr.write(`\r${count} of ${head.cases}\r`);
        if (failure) failures.push(`${record.name}: ${failure}`);
    }
    const results = {
        cases: count,
        failures: failures.length,
        forward_wrong_bits: bits,
        backward_worst_bound_ratio: ratio >= 0 && Number.isFinite(ratio) ? ratio : null,
    };
    const seconds = ((Date.now() - start) / 1000).toFixed(1);
    if (options.spoil) {
        console.log(`spoilt on purpose: ${failures.length} of ${count} cases fail, as they must`);
        return failures.length === count;
    }
    console.log(`Dawn (webgpu ${version}), ${name}, ${description}; layouts ${options.layouts}; plans of ${head.producer}`);
    console.log(`${bits} wrong bits forward, largest error backward ${ratio >= 0 ? ratio.toFixed(3) : 'none'} of its bound, ${seconds} s`);
    for (const failure of failures.slice(0, 20)) console.log(`  ${failure}`);
    if (failures.length > 20) console.log(`  and ${failures.length - 20} more`);
    console.log(`${count - failures.length} passed, ${failures.length} failed`);
    if (options.json) {
        const report = {
            schema: 1,
            date: new Date().toISOString().slice(0, 10),
            commit: options.commit,
            host: `Dawn of webgpu ${version} for node, ${process.platform} ${os.machine()}`,
            // Dawn tells the name and the version of a driver in one.
            adapter: { name, backend: 'Vulkan', driver: '', driver_info: description },
            conformance: results,
            roofline: null,
        };
        writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`);
    }
    return results.failures === 0;
}

let passed = false;
try {
    passed = await main();
} catch (error) {
    console.error(error.message);
}
// Dawn may crash when node tears it down.
process.exit(passed ? 0 : 1);
