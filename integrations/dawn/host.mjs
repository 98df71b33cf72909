// A WebGPU host: makes what a run names, launches it, reads back. Nothing here knows what is computed.

import { words } from './stream.mjs';

// WebGPU's constants; `globals` of the package has them, too.
const { MAP_READ, COPY_SRC, COPY_DST, UNIFORM, STORAGE } =
    { MAP_READ: 0x1, COPY_SRC: 0x4, COPY_DST: 0x8, UNIFORM: 0x40, STORAGE: 0x80 };
const MAP_MODE_READ = 1;
const COMPUTE = 4;
// Of the WebGPU default limits.
const OFFSET_ALIGNMENT = 256;

export class Host {
    /** Layouts of pipelines are `auto`, as the shader alone decides, or `declared`, as the plan says. */
    constructor(device, layouts) {
        this.device = device;
        this.layouts = layouts;
        this.pipelines = new Map();
    }

    /** Runs a run of a case, and returns the words of each buffer that is checked, from the first that is looked at on. */
    async run(record, run) {
        const owned = [];
        try {
            return await this.#run(record, run, owned);
        } finally {
            for (const buffer of owned) buffer.destroy();
        }
    }

    async #run(record, run, owned) {
        const make = (size, usage) => {
            const buffer = this.device.createBuffer({ size, usage });
            owned.push(buffer);
            return buffer;
        };
        const buffers = run.buffers.map(({ words: held }) => {
            const buffer = make(held.bytes, STORAGE | COPY_SRC | COPY_DST);
            this.device.queue.writeBuffer(buffer, 0, words(record.data, held));
            return buffer;
        });
        const parameters = this.#parameters(record, run, make);

        const encoder = this.device.createCommandEncoder();
        const pass = encoder.beginComputePass();
        run.dispatches.forEach((dispatch, number) => {
            const pipeline = this.#pipeline(record.shaders[dispatch.shader], dispatch);
            const entries = dispatch.bindings.map(({ binding, buffer, offset, size, parameters: range }) => {
                const resource = range
                    ? { buffer: parameters.buffer, offset: number * parameters.stride, size: range[1] }
                    : { buffer: buffers[buffer], offset, size };
                return { binding, resource };
            });
            pass.setPipeline(pipeline);
            pass.setBindGroup(0, this.device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }));
            pass.dispatchWorkgroups(...dispatch.grid);
        });
        pass.end();
        const read = run.checks.map(({ buffer, untouched_from: from = 0 }) => {
            const size = run.buffers[buffer].words.bytes - from;
            const copy = make(size, MAP_READ | COPY_DST);
            encoder.copyBufferToBuffer(buffers[buffer], from, copy, 0, size);
            return copy;
        });
        this.device.queue.submit([encoder.finish()]);
        const held = [];
        for (const copy of read) {
            await copy.mapAsync(MAP_MODE_READ);
            held.push(new Uint32Array(copy.getMappedRange().slice(0)));
            copy.unmap();
        }
        return held;
    }

    /** One buffer with the parameters of all dispatches. */
    #parameters(record, run, make) {
        const ranges = run.dispatches.map(({ bindings }) => bindings.find(({ parameters }) => parameters).parameters);
        const longest = Math.max(4, ...ranges.map(([, length]) => length));
        const stride = Math.ceil(longest / OFFSET_ALIGNMENT) * OFFSET_ALIGNMENT;
        const bytes = new Uint8Array(stride * Math.max(1, ranges.length));
        ranges.forEach(([offset, length], number) => bytes.set(new Uint8Array(record.data, offset, length), number * stride));
        const buffer = make(bytes.length, UNIFORM | STORAGE | COPY_DST);
        this.device.queue.writeBuffer(buffer, 0, bytes);
        return { buffer, stride };
    }

    #pipeline(code, { entry_point: entryPoint, bindings }) {
        const known = this.pipelines.get(code);
        if (known) return known;
        let layout = 'auto';
        if (this.layouts === 'declared') {
            const entries = bindings.map(({ binding, type }) => ({ binding, visibility: COMPUTE, buffer: { type } }));
            layout = this.device.createPipelineLayout({ bindGroupLayouts: [this.device.createBindGroupLayout({ entries })] });
        }
        const module = this.device.createShaderModule({ code });
        const pipeline = this.device.createComputePipeline({ layout, compute: { module, entryPoint } });
        this.pipelines.set(code, pipeline);
        return pipeline;
    }
}
