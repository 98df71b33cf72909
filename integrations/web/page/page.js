// The page: a signal, a threshold and an amplitude go to the device, states come back.

import init, { Engine, Signal, Table, loop_states, signal } from './bmru_web.js';
import { look, notice } from './gpu.js';
import { Plot } from './plot.js';
import { suite } from './suite.js';

const find = (id) => document.getElementById(id);
const plot = new Plot(find('plot'));
let engine = null;
let trace = null;
let candidate = new Float32Array();
let states = new Float32Array();
let wanted = { beta: 1, alpha: 1 };
let asked = 0;
let served = -1;
let busy = false;
let reading = 0;
let seed = 1;
let table = null;

/** The device, or words why there is none. */
async function open() {
  const { name, reason } = await look();
  let why = reason;
  if (name) {
    try {
      engine = await Engine.open(name);
    } catch (error) {
      console.error(error);
      why = 'device';
    }
  }
  find('adapter').dataset.state = engine ? 'good' : 'bad';
  find('adapter').textContent = engine
    ? `Runs on ${engine.name}${engine.software ? ', a program on the CPU: slow, but the same kernels' : ''}`
    : 'No GPU: computed on the CPU';
  find('notice').hidden = !why;
  document.querySelectorAll('.ongpu').forEach((element) => { element.hidden = !engine; });
  if (why) find('notice').innerHTML = notice(why);
  if (engine) suite(engine.name);
}

/** Sends what is wanted to the device, and again if something else is wanted by the time it is back. */
async function pump() {
  if (busy || !candidate.length || (engine && !trace)) return;
  busy = true;
  while (served !== asked && (trace || !engine)) {
    served = asked;
    const { beta, alpha } = wanted;
    const [signal, on] = [candidate, trace];
    const start = performance.now();
    try {
      const wrong = on ? await scan(on, beta, alpha) : cpu(signal, beta, alpha);
      if (signal !== candidate) continue;
      told({ beta, alpha, wrong, took: performance.now() - start });
    } catch (error) {
      if (signal !== candidate) continue;
      gaveUp(error);
      break;
    } finally {
      // Nothing of the old signal is on its way any more.
      if (on !== trace) on?.free();
    }
  }
  busy = false;
  mark();
}

/** Whether the picture shows what is wanted, or something is on its way: for those who wait for it. */
function mark() {
  find('plot').dataset.state = !reading && !busy && served === asked && (trace || !engine) ? 'rest' : 'busy';
}

function gaveUp(error) {
  const complaints = engine?.complaints() ?? [];
  find('same').textContent = `the GPU gave up: ${[...complaints, error.message ?? error].join('; ')}. Load the page again.`;
  find('same').dataset.state = 'bad';
}

async function scan(on, beta, alpha) {
  const result = await on.scan(beta, alpha);
  const { wrong } = result;
  if (on === trace) states = result.states;
  result.free();
  return wrong;
}

function cpu(signal, beta, alpha) {
  states = loop_states(signal, beta, alpha);
  return null;
}

function told({ beta, alpha, wrong, took }) {
  plot.show(states);
  const sets = candidate.reduce((sum, value) => sum + (Math.abs(value) > Math.fround(beta)), 0);
  find('count').textContent = `${sets.toLocaleString('en')} of ${candidate.length.toLocaleString('en')} steps`;
  find('same').textContent = wrong ? `${wrong.toLocaleString('en')} states differ` : 'the same bits';
  find('same').dataset.state = wrong ? 'bad' : 'good';
  find('took').textContent = `${took.toFixed(1)} ms`;
  clearTimeout(told.later);
  // Once it has come to rest: nobody wants to hear every step of a drag.
  told.later = setTimeout(() => {
    find('spoken').textContent = `Threshold ${beta.toPrecision(3)}, amplitude ${alpha.toPrecision(3)}: set at ${find('count').textContent}${engine ? `, ${find('same').textContent}` : ''}.`;
  }, 600);
  dispatchEvent(new CustomEvent('bmru:states', { detail: { candidate, states, beta, alpha, wrong } }));
}

function want(change) {
  Object.assign(wanted, change);
  asked += 1;
  mark();
  plot.set(wanted.beta, wanted.alpha);
  for (const [id, value] of [['beta', wanted.beta], ['alpha', wanted.alpha]]) {
    if (document.activeElement !== find(id)) find(id).value = Number(value.toPrecision(4));
  }
  pump();
}

/** Another signal. Thresholds start where some of its steps, but not most, leave the region. */
async function load(values) {
  let highest = 0;
  for (const value of values) if (Number.isFinite(value)) highest = Math.max(highest, Math.abs(value));
  const top = 1.15 * (highest || 1);
  if (!busy) trace?.free();
  trace = null;
  candidate = values;
  states = new Float32Array();
  mark();
  plot.load(values, top);
  if (engine) {
    try {
      const made = await engine.trace(values);
      if (values !== candidate) return made.free();
      trace = made;
      find('plan').textContent = made.plan;
    } catch (error) {
      return gaveUp(error);
    }
  }
  want({ beta: 0.55 * top, alpha: 0.8 * top });
}

const chosen = () => document.querySelector('input[name="signal"]:checked').value;

function choose() {
  const own = chosen() === 'Own';
  document.querySelectorAll('.made').forEach((element) => { element.hidden = own; });
  document.querySelectorAll('.own').forEach((element) => { element.hidden = !own; });
  if (!own) return load(signal(Signal[chosen()], Number(find('steps').value), seed));
  find('column').parentElement.hidden = table.names.length < 2;
  const values = table.column(find('column').selectedIndex);
  const numbers = values.filter((value) => !Number.isNaN(value));
  const holes = values.length - numbers.length;
  if (find('centre').checked) {
    const finite = numbers.filter(Number.isFinite);
    const mean = finite.reduce((sum, value) => sum + value, 0) / (finite.length || 1);
    values.forEach((value, at) => { values[at] = value - mean; });
  }
  const notes = [`${values.length.toLocaleString('en')} steps`];
  if (holes) notes.push(`${holes.toLocaleString('en')} of them empty: NaN, on which the unit holds`);
  if (table.cut) notes.push('the rest of the file is left out');
  note(`${notes.join('; ')}.`);
  return load(values);
}

function note(words, state = '') {
  find('filenote').textContent = words;
  find('filenote').dataset.state = state;
}

async function read(file) {
  if (!file) return;
  reading += 1;
  mark();
  try {
    if (file.size > 256 * 2 ** 20) throw new Error('The file is longer than 256 MiB.');
    const read = Table.read(new Uint8Array(await file.arrayBuffer()));
    table?.free();
    table = read;
  } catch (error) {
    note(`${file.name}: ${error.message}`, 'bad');
    return;
  } finally {
    reading -= 1;
    mark();
  }
  find('column').replaceChildren(...table.names.map((name) => new Option(name)));
  // The first column is often a count of the rows.
  find('column').selectedIndex = table.names.length > 1 && /^(#|t|time|step|index|n|i|id)$/i.test(table.names[0].trim()) ? 1 : 0;
  find('own').hidden = false;
  find('own').querySelector('input').checked = true;
  await choose();
}

function listen() {
  plot.moved = (what, value) => want({ [what]: value });
  plot.pointed = (step) => {
    const shown = (value) => Number.isNaN(value) ? 'NaN' : (value ?? 0).toPrecision(3);
    find('under').textContent = step === null ? ''
      : `step ${(step + 1).toLocaleString('en')}: c ${shown(candidate[step])}, h ${shown(states[step])}, ${Math.abs(candidate[step]) > wanted.beta ? 'set' : 'held'}`;
  };
  for (const id of ['beta', 'alpha']) {
    find(id).addEventListener('input', ({ target }) => {
      if (target.value !== '' && target.valueAsNumber >= 0) want({ [id]: Math.min(target.valueAsNumber, plot.top) });
    });
    find(id).addEventListener('change', () => want({}));
  }
  find('controls').addEventListener('submit', (event) => event.preventDefault());
  for (const id of ['signals', 'steps', 'column', 'centre']) {
    find(id).addEventListener('change', () => { if (chosen() !== 'Own') note(''); choose(); });
  }
  find('another').addEventListener('click', () => { seed += 1; choose(); });
  find('file').addEventListener('change', ({ target }) => read(target.files[0]).finally(() => { target.value = ''; }));
  const over = (is) => (event) => { event.preventDefault(); find('drop').hidden = !is; };
  find('plot').addEventListener('dragenter', over(true));
  find('plot').addEventListener('dragover', over(true));
  find('plot').addEventListener('dragleave', over(false));
  find('plot').addEventListener('drop', (event) => { over(false)(event); read(event.dataTransfer.files[0]); });
}

try {
  await init();
  listen();
  await open();
  await choose();
} catch (error) {
  console.error(error);
  find('adapter').dataset.state = 'bad';
  find('adapter').textContent = `The page could not start: ${error.message ?? error}`;
}
