// The page in headless Chromium on SwiftShader: `node page.mjs SITE TOOLS PICTURES [Trial|Quick|Full]`, as scripts/web.sh runs it, with so
// much of the conformance suite.
//
// Chain of trust: states are held here against a loop written down again, of which the crate knows nothing.

import { createRequire } from 'node:module';
import { mkdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { serve } from './server.mjs';

const [site, tools, pictures] = process.argv.slice(2, 5).map((path) => resolve(path));
const extent = process.argv[5] ?? 'Quick';
const { chromium } = createRequire(join(tools, 'package.json'))('playwright-core');
const GPU = ['--no-sandbox', '--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader', '--disable-dev-shm-usage'];
// Without SwiftShader there is no adapter; a name that is no localhost is not safe enough for WebGPU.
const NO_GPU = ['--no-sandbox', '--disable-dev-shm-usage', '--host-resolver-rules=MAP page.test 127.0.0.1'];

let passed = 0;
const failed = [];
async function check(name, test) {
  const start = Date.now();
  try {
    await test();
    passed += 1;
    console.log(`  ok    ${name} (${((Date.now() - start) / 1000).toFixed(1)} s)`);
  } catch (error) {
    failed.push(name);
    console.log(`  FAIL  ${name}: ${error.message.split('\n').slice(0, 6).join('\n        ')}`);
  }
}
function equal(actual, expected, what = 'value') {
  const [a, e] = [actual, expected].map((value) => JSON.stringify(value));
  if (a !== e) throw new Error(`${what} is ${a}, expected ${e}`);
}
function holds(condition, what) {
  if (!condition) throw new Error(what);
}

/** h_t = α·S(c_t) if |c_t| > β, else h_{t−1}, in the page: how many states differ in any bit, and what was set. */
const ORACLE = ({ candidate, states, beta, alpha, wrong }) => {
  const [threshold, amplitude] = [Math.fround(beta), Math.fround(alpha)];
  const expected = new Float32Array(candidate.length);
  let [h, sets] = [0, 0];
  candidate.forEach((c, t) => {
    if (Math.abs(c) > threshold) { h = c > 0 ? amplitude : -amplitude; sets += 1; }
    expected[t] = h;
  });
  const bits = (floats) => new Uint32Array(floats.slice().buffer);
  const [a, e] = [bits(states), bits(expected)];
  const differ = a.length === e.length ? a.reduce((sum, word, t) => sum + (word !== e[t]), 0) : -1;
  return { steps: candidate.length, differ, sets, beta, alpha, wrong, first: [...candidate.slice(0, 4)] };
};

/** A page whose states are watched, and whose errors are kept. */
async function open(browser, address, options = {}, before = null) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, acceptDownloads: true, ...options });
  const page = await context.newPage();
  page.errors = [];
  page.on('pageerror', (error) => page.errors.push(error.message));
  page.on('console', (message) => { if (message.type() === 'error') page.errors.push(message.text()); });
  page.on('request', (request) => { if (!/^(blob|data):/.test(request.url()) && !request.url().startsWith(new URL(address).origin)) page.errors.push(`asked for ${request.url()}`); });
  await page.addInitScript(`
    globalThis.oracle = ${ORACLE};
    addEventListener('bmru:states', ({ detail }) => { globalThis.latest = detail; });
  `);
  if (before) await page.addInitScript(before);
  await page.goto(address);
  await page.waitForFunction(() => globalThis.latest, null, { timeout: 120_000 });
  return page;
}

/** What the page computed last, when it has come to rest, held against the loop. */
async function states(page) {
  // Events of the mouse are handed on with the next frame.
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  await page.waitForFunction(() => document.getElementById('plot').dataset.state === 'rest', null, { timeout: 120_000 });
  return page.evaluate(() => oracle(latest));
}

/** The states are right, and the page says so itself. */
async function right(page, steps) {
  const seen = await states(page);
  equal(seen.differ, 0, 'states that differ from the loop');
  equal(seen.wrong, 0, 'states that differ from the oracle of the crate');
  equal(await page.textContent('#same'), 'the same bits', 'what the page says');
  if (steps) equal(seen.steps, steps, 'steps');
  return seen;
}

async function middle(page, selector) {
  await page.locator(selector).scrollIntoViewIfNeeded();
  const box = await page.locator(selector).boundingBox();
  return [box.x + box.width / 2, box.y + box.height / 2];
}

async function drag(page, selector, by) {
  const [x, y] = await middle(page, selector);
  await page.mouse.move(x, y);
  await page.mouse.down();
  for (let step = 1; step <= 8; step++) await page.mouse.move(x, y + by * step / 8);
  await page.mouse.up();
}

async function playing(browser, address) {
  const page = await open(browser, address);
  let first;
  await check('the page runs on a GPU and names it', async () => {
    equal(await page.getAttribute('#adapter', 'data-state'), 'good');
    const words = await page.textContent('#adapter');
    holds(/swiftshader|google/i.test(words), `the adapter is called "${words}"`);
    first = await right(page, 400);
    holds(first.sets > 10 && first.sets < 390, `${first.sets} of 400 steps set`);
  });
  await page.screenshot({ path: join(pictures, 'desk.png'), fullPage: true });
  await check('a mouse drags the upper edge, and the states are computed again', async () => {
    await drag(page, '#upper', 60);
    const seen = await right(page);
    holds(seen.beta < first.beta && seen.sets > first.sets, `β ${first.beta} → ${seen.beta}, ${first.sets} → ${seen.sets} steps set`);
  });
  await check('the lower edge mirrors it', async () => {
    const before = await states(page);
    await drag(page, '#lower', 50);
    const seen = await right(page);
    holds(seen.beta > before.beta && seen.sets < before.sets, `β ${before.beta} → ${seen.beta}`);
  });
  await check('a mouse drags the line itself', async () => {
    const before = await states(page);
    const [, y] = await middle(page, '#upper');
    const [x] = await middle(page, '#canvas');
    await page.mouse.move(x, y);
    await page.mouse.down();
    await page.mouse.move(x, y - 40, { steps: 5 });
    await page.mouse.up();
    holds((await right(page)).beta > before.beta, 'β did not move');
  });
  await check('the amplitude can be dragged', async () => {
    const before = await states(page);
    await drag(page, '#high', 40);
    const seen = await right(page);
    holds(seen.alpha < before.alpha && seen.beta === before.beta, `α ${before.alpha} → ${seen.alpha}`);
  });
  await check('keys move the edge, and the slider tells its value', async () => {
    await page.focus('#upper');
    const value = async () => Number(await page.getAttribute('#upper', 'aria-valuenow'));
    const top = Number(await page.getAttribute('#upper', 'aria-valuemax'));
    const from = await value();
    await page.keyboard.press('ArrowUp');
    await right(page);
    holds(Math.abs(await value() - from - top / 100) < 1e-9, 'ArrowUp is a hundredth');
    await page.keyboard.press('PageDown');
    await right(page);
    holds(Math.abs(await value() - from + 9 * top / 100) < 1e-9, 'PageDown is a tenth');
    await page.keyboard.press('End');
    equal((await right(page)).sets, 0, 'sets with the widest region');
    await page.keyboard.press('Home');
    equal((await right(page)).sets, 400, 'sets with no region');
    equal(await page.evaluate(() => document.activeElement.id), 'upper', 'focus');
  });
  await check('a number can be typed', async () => {
    await page.fill('#beta', '0.75');
    equal((await right(page)).beta, 0.75, 'β');
  });
  await check('every signal, short and long', async () => {
    for (const kind of ['Spikes', 'Walk', 'Bits', 'Sine']) {
      await page.check(`input[value="${kind}"]`, { force: true });
      await right(page, 400);
    }
    await page.selectOption('#steps', '4000');
    await right(page, 4000);
    await page.selectOption('#steps', '200000');
    const before = await right(page, 200_000);
    await page.screenshot({ path: join(pictures, 'long.png') });
    await page.click('#another');
    const after = await right(page, 200_000);
    holds(before.first[0] !== after.first[0], 'another signal is another');
  });
  await files(page);
  await check('no error in the console, nothing asked of elsewhere', async () => equal(page.errors, []));
  await page.context().close();
}

async function files(page) {
  const choose = (name, text) => page.setInputFiles('#file', { name, mimeType: 'text/csv', buffer: Buffer.from(text) });
  await check('a CSV is read, its column chosen, its mean subtracted', async () => {
    const rows = Array.from({ length: 50 }, (_, t) => `${t},${20 + 2 * Math.sin(t / 3)},${t % 7}`);
    await choose('room.csv', `time,temperature,weekday\n${rows.join('\n')}\n`);
    await right(page, 50);
    equal(await page.inputValue('#column'), 'temperature', 'the column at first');
    holds(Math.abs((await states(page)).first[0]) < 2, 'the mean is subtracted');
    await page.uncheck('#centre');
    equal((await right(page, 50)).first[0], 20, 'the first value');
    await page.selectOption('#column', 'weekday');
    equal((await right(page, 50)).first, [0, 1, 2, 3], 'the first values');
  });
  await page.screenshot({ path: join(pictures, 'file.png') });
  await check('empty cells hold', async () => {
    await choose('holes.csv', '5\n\n-1\nNA\n-9\n,\n2\n'.replace('\n\n', '\nnan\n'));
    const seen = await right(page);
    holds((await page.textContent('#filenote')).includes('the unit holds'), 'the page says so');
    holds(seen.sets >= 1, 'something is set');
  });
  await check('a bad file is told why, and the picture stays', async () => {
    const before = await states(page);
    const told = async (name, text, words) => {
      await choose(name, text);
      const says = (words) => document.getElementById('filenote').textContent.includes(words);
      await page.waitForFunction(says, words, { timeout: 5000 }).catch(() => {});
      holds((await page.textContent('#filenote')).includes(words), `${name}: ${await page.textContent('#filenote')}`);
    };
    await told('words.csv', 'a,b\nx,1\ny,high\n', 'words.csv: Line 3, b: “high” is not a number. Empty cells and NaN are fine, words are not.');
    await told('empty.csv', '\n', 'empty.csv: The file is empty.');
    await told('sheet.xlsx', 'PK\u0003\u0004\u0000', 'save the sheet as CSV');
    equal((await states(page)).steps, before.steps, 'steps');
  });
}

async function suites(browser, address) {
  const page = await open(browser, address);
  await check('the suite can be cancelled', async () => {
    await page.click('#run');
    await page.waitForFunction(() => document.getElementById('bar').value > 3, null, { timeout: 60_000 });
    await page.screenshot({ path: join(pictures, 'running.png'), fullPage: true });
    await page.click('#cancel');
    holds(/^Cancelled after \d/.test(await page.textContent('#verdict')), 'it says so');
    holds(await page.isEnabled('#run') && await page.isHidden('#result'), 'it can be started again, and there is no report');
  });
  await check(`the suite passes on the page (${extent}), with a trial of the roofline`, async () => {
    await page.locator(`input[name="conformance"][value="${extent}"]`).check({ force: true });
    await page.locator('input[name="roofline"][value="Trial"]').check({ force: true });
    await page.click('#run');
    await page.waitForFunction(() => document.getElementById('verdict').textContent, null, { timeout: 1_800_000 });
    const [verdict, failures] = [await page.textContent('#verdict'), await page.locator('#failures li').allTextContents()];
    console.log(`        ${verdict}`);
    holds(verdict.startsWith('It holds:'), `${verdict}\n${failures.slice(0, 5).join('\n')}`);
    equal(failures, []);
  });
  await page.screenshot({ path: join(pictures, 'report.png'), fullPage: true });
  await check('the report is downloaded, and is one', async () => {
    const [download] = await Promise.all([page.waitForEvent('download', { timeout: 20_000 }), page.click('#download')]);
    holds(/^bmru-[a-z0-9.-]+-\d{4}-\d\d-\d\d\.json$/.test(download.suggestedFilename()), download.suggestedFilename());
    const report = JSON.parse(await readFile(await download.path(), 'utf8'));
    equal(Object.keys(report), ['schema', 'date', 'commit', 'host', 'adapter', 'conformance', 'roofline'], 'fields');
    equal(report.schema, 1, 'schema');
    equal(report.date, new Date().toISOString().slice(0, 10), 'date');
    holds(/^[0-9a-f]{12}(-dirty)?$/.test(report.commit), `commit ${report.commit}`);
    holds(/^wgpu 30\.[\d.]+, \w+ \d+ on Linux$/.test(report.host), `host ${report.host}`);
    equal(Object.keys(report.adapter), ['name', 'backend', 'driver', 'driver_info'], 'fields of the adapter');
    equal(report.adapter.backend, 'BrowserWebGpu', 'backend');
    const { cases, failures, forward_wrong_bits: bits, backward_worst_bound_ratio: ratio } = report.conformance;
    holds(cases > 500, `${cases} cases`);
    equal([failures, bits], [0, 0], 'failures and wrong bits');
    holds(ratio > 0 && ratio <= 1, `ratio ${ratio}`);
    holds(report.roofline.copy_gbps > 0 && report.roofline.rows.length >= 4, 'there are rows');
    holds(report.roofline.rows.every((row) => row.gelem_per_s > 0), 'every row has a rate');
    const text = await page.inputValue('#text');
    holds(text.includes(`conformance: ${cases} cases, 0 failures`), text);
  });
  await check('no error in the console while it ran', async () => equal(page.errors, []));
  await page.context().close();

  const part = await open(browser, `${address}?case=access/AllReadWrite`);
  await check('a part of the suite can be run, and is no report', async () => {
    await part.click('#run');
    await part.waitForFunction(() => document.getElementById('verdict').textContent, null, { timeout: 60_000 });
    holds(/^It holds: 9 cases/.test(await part.textContent('#verdict')), await part.textContent('#verdict'));
    holds(await part.isHidden('#result'), 'no report');
    equal(part.errors, []);
  });
  await part.context().close();

  const alone = await open(browser, address, {}, 'globalThis.Worker = class { constructor() { throw new Error("no workers"); } };');
  await check('without workers it runs on the page', async () => {
    await alone.click('#run');
    await alone.waitForFunction(() => document.getElementById('bar').value > 3, null, { timeout: 60_000 });
    await alone.click('#cancel');
    holds(/^Cancelled after \d/.test(await alone.textContent('#verdict')), 'it says so');
    equal(alone.errors, []);
  });
  await alone.context().close();
}

async function phone(browser, address) {
  const options = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true, colorScheme: 'dark', reducedMotion: 'reduce' };
  const page = await open(browser, address, options);
  await check('a phone has no sideways scroll, and targets that a finger meets', async () => {
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    holds(wide <= 0, `${wide} px too wide`);
    const small = await page.evaluate(() => [...document.querySelectorAll('button, .button, select, .handle, .segments label, summary, input[type=number]')]
      .filter((element) => element.checkVisibility() && element.getBoundingClientRect().height < 43.5)
      .map((element) => `${element.id || element.textContent.trim()} ${element.getBoundingClientRect().height}`));
    equal(small, [], 'too small');
  });
  await check('a finger drags the edge, and the page stays where it is', async () => {
    await page.locator('#plot').scrollIntoViewIfNeeded();
    const before = await states(page);
    const scroll = await page.evaluate(() => scrollY);
    const [x, y] = await middle(page, '#upper');
    const session = await page.context().newCDPSession(page);
    const touch = (type, points) => session.send('Input.dispatchTouchEvent', { type, touchPoints: points });
    await touch('touchStart', [{ x, y }]);
    for (let step = 1; step <= 8; step++) await touch('touchMove', [{ x, y: y + 6 * step }]);
    await touch('touchEnd', []);
    const seen = await right(page);
    holds(seen.beta < before.beta, `β ${before.beta} → ${seen.beta}`);
    equal(await page.evaluate(() => scrollY), scroll, 'scroll');
    equal(page.errors, []);
  });
  await page.evaluate(() => scrollTo(0, 0));
  await page.screenshot({ path: join(pictures, 'phone.png'), fullPage: true });
  await page.context().close();
}

async function without(browser, address) {
  const page = await open(browser, address, {}, 'delete Navigator.prototype.gpu;');
  await check('without WebGPU the page says so, what to do, and computes on the CPU', async () => {
    equal(await page.evaluate(() => typeof navigator.gpu), 'undefined', 'navigator.gpu');
    const words = await page.textContent('#notice');
    holds(words.includes('This browser does not offer WebGPU') && words.includes('Firefox 141'), words);
    holds(await page.isVisible('#notice') && await page.isDisabled('#run'), 'the suite is off');
    const seen = await states(page);
    equal([seen.differ, seen.steps], [0, 400], 'states that differ, steps');
    holds(await page.isHidden('#same'), 'nothing is compared');
    equal(page.errors, []);
  });
  await page.screenshot({ path: join(pictures, 'without.png'), fullPage: true });
  await page.context().close();
}

async function refused(browser, address) {
  const page = await open(browser, address);
  await check('without an adapter the page says so, and what to do', async () => {
    holds((await page.textContent('#notice')).includes('Turn on hardware acceleration'), await page.textContent('#notice'));
    equal((await states(page)).differ, 0, 'states that differ');
    equal(page.errors, []);
  });
  await page.context().close();
}

async function insecure(browser, address) {
  const page = await open(browser, address.replace('127.0.0.1', 'page.test'));
  await check('under an address that is not safe the page says so', async () => {
    equal(await page.evaluate(() => [isSecureContext, typeof navigator.gpu]), [false, 'undefined'], 'safe, navigator.gpu');
    holds((await page.textContent('#notice')).includes('only over https'), await page.textContent('#notice'));
    equal((await states(page)).differ, 0, 'states that differ');
    equal(page.errors, []);
  });
  await page.context().close();
}

/** A browser of its own. */
async function session(args, tests) {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args });
  try {
    for (const test of tests) {
      try {
        await test(browser, address);
      } catch (error) {
        await check(`${test.name} to its end`, () => { throw error; });
      }
    }
  } finally {
    await browser.close();
  }
}

await mkdir(pictures, { recursive: true });
const { address, close } = await serve(site);
await session(GPU, [playing, phone, suites]);
await session(NO_GPU, [without, refused, insecure]);
close();
console.log(`web: ${passed} checks passed, ${failed.length} failed${failed.length ? `: ${failed.join('; ')}` : ''}; pictures in ${pictures}`);
process.exit(failed.length ? 1 : 0);
