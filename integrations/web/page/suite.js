// The form that runs the suite, and shows what came of it.

import { browser } from './gpu.js';
import { run } from './run.js';

const find = (id) => document.getElementById(id);
const count = (number, word) => `${number.toLocaleString('en')} ${word}${number === 1 ? '' : 's'}`;

/** Makes the form work, for an adapter of this name. */
export function suite(name) {
  const form = find('suite');
  let stop = null;
  let last = null;
  let start = 0;

  const running = (is) => {
    find('run').disabled = is;
    find('cancel').hidden = !is;
    find('progress').hidden = !is;
    form.querySelectorAll('input').forEach((input) => { input.disabled = is; });
    if (!is) stop = null;
  };
  const say = (words, state = '') => {
    find('verdict').textContent = words;
    find('verdict').dataset.state = state;
  };
  const hear = (message) => {
    if (!stop) return;
    if (message.kind === 'progress') {
      last = message;
      progress(message, performance.now() - start);
    } else if (message.kind === 'done') {
      running(false);
      show(message, say);
    } else if (message.kind === 'broken') {
      running(false);
      say(`The suite broke off: ${message.message} Start it again after loading the page anew; a report of this is welcome.`, 'bad');
    }
  };

  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const data = new FormData(form);
    // For whoever looks for a mistake: ?case=huge runs no other cases.
    const only = new URLSearchParams(location.search).get('case') ?? '';
    const options = { conformance: data.get('conformance'), roofline: data.get('roofline'), only, name, host: browser() };
    for (const id of ['failures', 'measured', 'result']) find(id).hidden = true;
    say('');
    last = { done: 0, total: 1, next: 'starting', failures: 0 };
    start = performance.now();
    progress(last, 0);
    stop = begin(options, hear);
    running(true);
  });
  find('cancel').addEventListener('click', () => {
    stop?.();
    running(false);
    say(`Cancelled after ${last.done.toLocaleString('en')} of ${count(last.total, 'step')}, with ${count(last.failures, 'failure')}. There is no report of a part.`);
    find('run').focus();
  });
  find('copy').addEventListener('click', async () => {
    find('text').select();
    try {
      await navigator.clipboard.writeText(find('text').value);
      find('copy').textContent = 'Copied';
    } catch {
      find('copy').textContent = 'Selected: copy it by hand';
    }
    setTimeout(() => { find('copy').textContent = 'Copy as text'; }, 2500);
  });
  find('run').disabled = false;
}

/** Starts a worker, or what can be done without; returns what stops it. */
function begin(options, hear) {
  let stopped = false;
  const here = () => run(options, hear, () => stopped).catch((error) => hear({ kind: 'broken', message: String(error.message ?? error) }));
  let worker = null;
  let ready = false;
  try {
    worker = new Worker('worker.js', { type: 'module' });
  } catch {
    here();
    return () => { stopped = true; };
  }
  worker.onmessage = ({ data }) => {
    if (data.kind === 'ready') { ready = true; worker.postMessage(options); }
    else if (data.kind === 'unable') { worker.terminate(); here(); }
    else hear(data);
    if (data.kind === 'done' || data.kind === 'broken') worker.terminate();
  };
  worker.onerror = (event) => {
    worker.terminate();
    // A browser without module workers fails before the first word.
    if (ready) hear({ kind: 'broken', message: event.message ?? 'the worker failed.' }); else here();
  };
  return () => { stopped = true; worker.terminate(); };
}

function progress({ done, total, next, failures }, elapsed) {
  find('bar').max = total;
  find('bar').value = done;
  const left = done > 20 ? elapsed / done * (total - done) / 1000 : null;
  const time = left === null || next.startsWith('roofline') ? '' : ` · about ${left < 90 ? `${Math.ceil(left)} s` : `${Math.ceil(left / 60)} min`} left`;
  find('step').textContent = `${done.toLocaleString('en')} of ${total.toLocaleString('en')} · ${count(failures, 'failure')}${time} · ${next}`;
}

function show({ json, text, done, failures, troubles }, say) {
  const report = json ? JSON.parse(json) : null;
  const cases = report?.conformance.cases ?? done;
  const ratio = report?.conformance.backward_worst_bound_ratio ?? null;
  const good = failures.length === 0 && troubles.length === 0;
  const worst = ratio === null ? '' : ` The largest error of a gradient is ${ratio.toFixed(3)} of its bound.`;
  say(good ? `It holds: ${count(cases, 'case')}, no failure, no wrong bit.${worst}`
    : `It does not hold: ${count(cases, 'case')}, ${count(failures.length, 'failure')}${troubles.length ? `, ${count(troubles.length, 'row')} that cannot be measured` : ''}.`, good ? 'good' : 'bad');
  const list = [...failures, ...troubles];
  find('failures').replaceChildren(...list.slice(0, 200).map((line) => Object.assign(document.createElement('li'), { textContent: line })));
  find('failures').hidden = list.length === 0;
  rows(report?.roofline);
  // A part of the suite is no report.
  if (!report) return;
  find('text').value = text;
  const name = report.adapter.name.toLowerCase().replace(/[^a-z0-9.]+/g, '-').replace(/^-|-$/g, '');
  URL.revokeObjectURL(find('download').href);
  find('download').href = URL.createObjectURL(new Blob([json], { type: 'application/json' }));
  find('download').download = `bmru-${name}-${report.date}.json`;
  find('result').hidden = false;
}

function rows(roofline) {
  find('measured').hidden = !roofline;
  const number = (value, digits) => value === null ? '–' : value.toFixed(digits);
  const line = (row) => {
    const cells = [row.name + (row.measured_cache ? ' (in cache)' : ''), row.void ? 'void' : number(row.of_stream, 2),
      number(row.gelem_per_s, 3), number(row.of_copy, 2), number(row.of_naive, 2)];
    const elements = cells.map((text, at) => {
      const cell = document.createElement(at ? 'td' : 'th');
      cell.textContent = text;
      return cell;
    });
    if (row.of_stream !== null) {
      const bar = Object.assign(document.createElement('span'), { className: 'share' });
      bar.append(document.createElement('i'));
      bar.firstChild.style.width = `${Math.min(100, 100 * row.of_stream)}%`;
      elements[1].prepend(bar);
    }
    const tr = document.createElement('tr');
    tr.append(...elements);
    return tr;
  };
  find('rows').replaceChildren(...(roofline?.rows ?? []).map(line));
}
