// The suite, step by step. In a worker where that has WebGPU, so that the page stays awake; else on the page itself.

import init, { Engine, Extent } from './bmru_web.js';

/** Runs the steps whose names contain `only`; `post` is told how far it is and what came of it, `stopped` asks whether to go on. */
export async function run({ conformance, roofline, only, name, host }, post, stopped = () => false) {
  await init();
  const engine = await Engine.open(name);
  const suite = engine.suite(Extent[conformance], Extent[roofline], only);
  const troubles = [];
  let shown = 0;
  while (suite.done < suite.total) {
    if (stopped()) return;
    const now = performance.now();
    if (now - shown > 60) {
      post({ kind: 'progress', done: suite.done, total: suite.total, next: suite.next, failures: suite.failures.length });
      shown = now;
      // Lets the page draw, and hear the cancel button.
      await new Promise((resolve) => setTimeout(resolve));
    }
    const step = suite.next;
    try {
      await suite.step();
    } catch (error) {
      // A trap has no way on; a row that cannot be measured has.
      if (error instanceof WebAssembly.RuntimeError) throw error;
      troubles.push(`${step}: ${error.message ?? error}`);
    }
  }
  const written = only ? null : suite.report(new Date().toISOString().slice(0, 10), host);
  post({ kind: 'done', json: written?.json, text: written?.text, done: suite.done, failures: suite.failures, troubles });
}
