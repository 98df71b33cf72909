import { run } from './run.js';

onmessage = async ({ data }) => {
  if (!navigator.gpu) return postMessage({ kind: 'unable' });
  try {
    await run(data, postMessage);
  } catch (error) {
    postMessage({ kind: 'broken', message: String(error.message ?? error) });
  }
};
postMessage({ kind: 'ready' });
