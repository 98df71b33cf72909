// Gives WGSL files to Tint, and makes a pipeline of each on Dawn's null backend: no driver is needed.
//
//     node tint.mjs DIRECTORY
//
// Prints a line for each file that fails, and ends with `Tint FILES FAILURES`, parted by tabs.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { create, globals } from 'webgpu';

Object.assign(globalThis, globals);
// Whatever `create` made must outlive all that came of it.
globalThis.gpu = create(['backend=null']);

/** What Tint or Dawn says against a text; nothing if they take it. */
async function refusal(device, code) {
    device.pushErrorScope('validation');
    const module = device.createShaderModule({ code });
    const { messages } = await module.getCompilationInfo();
    const layout = 'auto';
    const error = messages.find(({ type }) => type === 'error');
    // The null backend has the default limits of WebGPU, which the pipeline must keep to.
    if (!error) device.createComputePipeline({ layout, compute: { module, entryPoint: 'main' } });
    const scoped = await device.popErrorScope();
    return error ? `${error.lineNum}:${error.linePos}: ${error.message}` : scoped?.message;
}

let failures = 0;
const directory = process.argv[2];
const files = readdirSync(directory).filter((file) => file.endsWith('.wgsl')).sort();
const device = await (await globalThis.gpu.requestAdapter()).requestDevice();
for (const file of files) {
    const message = await refusal(device, readFileSync(join(directory, file), 'utf8'));
    if (message) {
        failures += 1;
        console.log(`Tint: ${join(directory, file)}: ${message.trim()}`);
    }
}
console.log(`Tint\t${files.length}\t${failures}`);
// Dawn may crash when node tears it down.
process.exit(0);
