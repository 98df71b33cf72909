// Serves a folder on a free port of this machine: files, and nothing else.

import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { extname, join, normalize } from 'node:path';

const TYPES = { '.html': 'text/html', '.css': 'text/css', '.js': 'text/javascript', '.wasm': 'application/wasm' };

export async function serve(folder, port = 0) {
  const server = createServer(async ({ url }, response) => {
    const path = normalize(new URL(url, 'http://page').pathname);
    try {
      const contents = await readFile(join(folder, path.endsWith('/') ? `${path}index.html` : path));
      response.writeHead(200, { 'Content-Type': TYPES[extname(path)] ?? 'text/html' }).end(contents);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((resolve) => { server.listen(port, '127.0.0.1', resolve); });
  return { address: `http://127.0.0.1:${server.address().port}/`, close: () => server.close() };
}

// node server.mjs FOLDER [PORT]: to look at the page.
if (process.argv[1]?.endsWith('server.mjs')) {
  const { address } = await serve(process.argv[2], Number(process.argv[3] ?? 8080));
  console.log(address);
}
