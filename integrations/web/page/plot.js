// The picture: input, bistable region, and the state that is set and held. Draws what it is given, and tells what was dragged.

const PAD = { top: 14, bottom: 34, side: 46 };
const GRAB = 12;

export class Plot {
  #root; #canvas; #pen; #colours = {};
  #signal = new Float32Array(); #states = new Float32Array(); #columns = null;
  #beta = 1; #alpha = 1; #top = 2; #at = null; #asked = false;
  /** Called with `beta` or `alpha`, and the new value. */
  moved = () => {};
  /** Called with the step under the pointer, or nothing. */
  pointed = () => {};

  constructor(root) {
    this.#root = root;
    this.#canvas = root.querySelector('canvas');
    this.#pen = this.#canvas.getContext('2d');
    new ResizeObserver(() => this.#resize()).observe(root);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#recolour());
    this.#recolour();
    for (const [id, what] of [['upper', 'beta'], ['lower', 'beta'], ['high', 'alpha'], ['low', 'alpha']]) {
      this.#drag(root.querySelector(`#${id}`), what);
    }
    this.#dragLines();
  }

  /** Another signal: its values, and the height of the picture. */
  load(signal, top) {
    this.#signal = signal; this.#states = new Float32Array(); this.#top = top; this.#columns = null;
    this.draw();
  }

  set(beta, alpha) { this.#beta = beta; this.#alpha = alpha; this.draw(); }

  /** The states that came from the device, and the threshold that they belong to. */
  show(states) { this.#states = states; this.draw(); }

  get top() { return this.#top; }

  draw() {
    if (this.#asked) return;
    this.#asked = true;
    requestAnimationFrame(() => { this.#asked = false; this.#draw(); });
  }

  // Geometry, in CSS pixels.
  get #width() { return this.#root.clientWidth; }
  get #height() { return this.#root.clientHeight; }
  get #middle() { return (PAD.top + this.#height - PAD.bottom) / 2; }
  get #unit() { return (this.#height - PAD.top - PAD.bottom) / 2 / this.#top; }
  #y(value) { return this.#middle - Math.max(-1.2 * this.#top, Math.min(1.2 * this.#top, value)) * this.#unit; }
  #x(step) { return PAD.side + (this.#width - 2 * PAD.side) * (this.#signal.length > 1 ? step / (this.#signal.length - 1) : 0.5); }
  #value(y) { return (this.#middle - y) / this.#unit; }

  #drag(handle, what) {
    let offset = 0;
    handle.addEventListener('pointerdown', (event) => {
      if (event.button) return;
      const box = handle.getBoundingClientRect();
      offset = event.clientY - (box.top + box.height / 2);
      handle.setPointerCapture(event.pointerId);
      handle.dataset.held = '';
      if (event.pointerType === 'mouse') (handle.tabIndex < 0 ? this.#twin(handle) : handle).focus({ preventScroll: true });
      event.preventDefault();
    });
    handle.addEventListener('pointermove', (event) => {
      if (!('held' in handle.dataset)) return;
      const y = event.clientY - offset - this.#root.getBoundingClientRect().top;
      // Across the middle it is the other edge that is held.
      this.#move(what, Math.abs(this.#value(y)));
    });
    for (const end of ['pointerup', 'pointercancel', 'lostpointercapture']) {
      handle.addEventListener(end, () => delete handle.dataset.held);
    }
    handle.addEventListener('keydown', (event) => {
      const value = what === 'beta' ? this.#beta : this.#alpha;
      const small = this.#top / 100;
      const to = {
        ArrowUp: value + small, ArrowRight: value + small, ArrowDown: value - small, ArrowLeft: value - small,
        PageUp: value + 10 * small, PageDown: value - 10 * small, Home: 0, End: this.#top,
      }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      this.#move(what, to);
    });
  }

  #twin(handle) { return this.#root.querySelector(handle.classList.contains('edge') ? '#upper' : '#high'); }

  /** A mouse may take the lines themselves; a finger scrolls the page there. */
  #dragLines() {
    let held = false;
    const place = (event) => {
      const box = this.#root.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    const near = (y) => [1, -1].some((sign) => Math.abs(y - this.#y(sign * this.#beta)) < GRAB);
    this.#canvas.addEventListener('pointerdown', (event) => {
      if (event.pointerType !== 'mouse' || event.button) return;
      held = near(place(event)[1]);
      if (held) this.#canvas.setPointerCapture(event.pointerId);
    });
    this.#canvas.addEventListener('pointermove', (event) => {
      const [x, y] = place(event);
      if (held) return this.#move('beta', Math.abs(this.#value(y)));
      this.#root.toggleAttribute('data-near', event.pointerType === 'mouse' && near(y));
      const step = Math.round((x - PAD.side) / (this.#width - 2 * PAD.side) * (this.#signal.length - 1));
      this.#point(step >= 0 && step < this.#signal.length ? step : null);
    });
    for (const end of ['pointerup', 'pointercancel']) this.#canvas.addEventListener(end, () => { held = false; });
    this.#canvas.addEventListener('pointerleave', () => this.#point(null));
  }

  #point(step) { this.#at = step; this.pointed(step); this.draw(); }

  #move(what, value) { this.moved(what, Math.min(this.#top, Math.max(0, value))); }

  #recolour() {
    const style = getComputedStyle(document.documentElement);
    for (const name of ['soft', 'grid', 'line', 'input', 'region', 'edge', 'state', 'card']) {
      this.#colours[name] = style.getPropertyValue(`--${name}`).trim();
    }
    this.draw();
  }

  #resize() {
    const scale = devicePixelRatio || 1;
    this.#canvas.width = Math.round(this.#width * scale);
    this.#canvas.height = Math.round(this.#height * scale);
    this.#columns = null;
    this.draw();
  }

  /** For each column of pixels the first, lowest, highest and last value: what a line through all values covers. */
  #outline(values) {
    const columns = Math.max(1, Math.floor(this.#width - 2 * PAD.side));
    if (values.length <= 2 * columns) return null;
    return Array.from({ length: columns }, (_, column) => {
      const [from, to] = [column, column + 1].map((at) => Math.floor(at * values.length / columns));
      let [low, high] = [Infinity, -Infinity];
      for (let at = from; at < to; at++) {
        if (values[at] < low) low = values[at];
        if (values[at] > high) high = values[at];
      }
      return { first: values[from], low, high, last: values[to - 1] };
    });
  }

  #draw() {
    const pen = this.#pen, colours = this.#colours, scale = devicePixelRatio || 1;
    const [left, right] = [PAD.side, this.#width - PAD.side];
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, this.#width, this.#height);
    pen.fillStyle = colours.region;
    pen.fillRect(left, this.#y(this.#beta), right - left, this.#y(-this.#beta) - this.#y(this.#beta));
    this.#axes(left, right);
    for (const edge of [this.#beta, -this.#beta]) this.#rule(this.#y(edge), left, right, colours.edge, 1.25, []);
    for (const state of [this.#alpha, -this.#alpha]) this.#rule(this.#y(state), left, right, colours.state, 1, [2, 5]);
    pen.save();
    pen.beginPath();
    pen.rect(left - 3, 0, right - left + 6, this.#height - PAD.bottom + 8);
    pen.clip();
    this.#columns ??= this.#outline(this.#signal) ?? [];
    pen.lineJoin = 'round';
    this.#line(this.#signal, this.#columns.length ? this.#columns : null, colours.input, 1.5, false);
    this.#sets(left, right);
    this.#line(this.#states, this.#outline(this.#states), colours.state, 2.75, true);
    pen.restore();
    if (this.#at !== null) {
      pen.fillStyle = colours.soft;
      pen.fillRect(this.#x(this.#at), PAD.top, 1, this.#height - PAD.top - PAD.bottom);
    }
    this.#handles();
  }

  #rule(y, left, right, colour, width, dash) {
    const pen = this.#pen;
    pen.strokeStyle = colour; pen.lineWidth = width; pen.setLineDash(dash);
    pen.beginPath(); pen.moveTo(left, y); pen.lineTo(right, y); pen.stroke();
    pen.setLineDash([]);
  }

  #axes(left, right) {
    const pen = this.#pen, count = this.#signal.length;
    this.#rule(this.#y(0), left, right, this.#colours.line, 1, []);
    pen.fillStyle = this.#colours.soft;
    pen.font = '12px system-ui, sans-serif';
    pen.textBaseline = 'alphabetic';
    const ticks = this.#width < 480 ? 2 : 4;
    for (let tick = 0; tick <= ticks && count > 1; tick++) {
      const step = Math.max(1, Math.round(tick * count / ticks));
      pen.textAlign = tick === 0 ? 'left' : tick === ticks ? 'right' : 'center';
      pen.fillText((tick === ticks ? 'step ' : '') + step.toLocaleString('en'), this.#x(step - 1), this.#height - 7);
    }
  }

  #line(values, columns, colour, width, steps) {
    const pen = this.#pen;
    if (!values.length) return;
    pen.strokeStyle = colour; pen.lineWidth = columns ? Math.min(width, 1.75) : width;
    pen.beginPath();
    if (columns) {
      columns.forEach(({ first, low, high, last }, column) => {
        const x = PAD.side + column + 0.5;
        for (const value of [first, low, high, last]) if (Number.isFinite(value)) pen.lineTo(x, this.#y(value));
      });
    } else {
      // NaN leaves a gap; a state changes at its step and not on the way there.
      let open = false;
      values.forEach((value, at) => {
        const [x, y] = [this.#x(at), this.#y(value)];
        if (Number.isNaN(value)) { open = false; return; }
        if (!open) pen.moveTo(x, y);
        else if (steps && value !== values[at - 1]) { pen.lineTo(x, this.#y(values[at - 1])); pen.lineTo(x, y); }
        else pen.lineTo(x, y);
        open = true;
      });
    }
    pen.stroke();
  }

  /** Dots on the steps that set, or where there are too many for dots, how many there are in each column. */
  #sets(left, right) {
    const pen = this.#pen, values = this.#signal, beta = this.#beta;
    pen.fillStyle = this.#colours.input;
    const room = (right - left) / values.length;
    const strip = this.#height - PAD.bottom + 2;
    if (room >= 1) {
      const radius = Math.min(3, Math.max(1.5, room));
      values.forEach((value, at) => {
        if (!(Math.abs(value) > beta)) return;
        pen.beginPath(); pen.arc(this.#x(at), this.#y(value), radius, 0, 7); pen.fill();
        pen.fillRect(this.#x(at) - room / 2, strip, Math.max(room, 1), 5);
      });
      return;
    }
    const columns = Math.floor(right - left);
    for (let column = 0; column < columns; column++) {
      const [from, to] = [column, column + 1].map((at) => Math.floor(at * values.length / columns));
      let sets = 0;
      for (let at = from; at < to; at++) if (Math.abs(values[at]) > beta) sets++;
      if (!sets) continue;
      pen.globalAlpha = 0.25 + 0.75 * sets / (to - from);
      pen.fillRect(left + column, strip, 1, 5);
    }
    pen.globalAlpha = 1;
  }

  #handles() {
    const values = { upper: this.#beta, lower: -this.#beta, high: this.#alpha, low: -this.#alpha };
    for (const [id, value] of Object.entries(values)) {
      const handle = this.#root.querySelector(`#${id}`);
      handle.style.top = `${this.#y(value)}px`;
      if (handle.tabIndex < 0) continue;
      handle.setAttribute('aria-valuemin', '0');
      handle.setAttribute('aria-valuemax', String(this.#top));
      handle.setAttribute('aria-valuenow', String(value));
      handle.setAttribute('aria-valuetext', value.toPrecision(3));
    }
  }
}
