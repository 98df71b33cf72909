// What the browser says about WebGPU, in words for whoever sits before it.

const BROWSERS = `<ul>
  <li>Chrome and Edge 113 or newer on Windows, macOS and ChromeOS; 121 or newer on Android.</li>
  <li>Safari 26 or newer on macOS, iOS and iPadOS.</li>
  <li>Firefox 141 or newer on Windows, 145 or newer on macOS with Apple silicon.</li>
  <li>Chrome on Linux, where it is not on by itself: <code>chrome://flags/#enable-unsafe-webgpu</code>.</li>
</ul>`;
const STILL = '<p>Until then the picture below is computed by the plain loop on the CPU, and the checks of the GPU are off.</p>';

const NOTICES = {
  insecure: `<h2>WebGPU needs a safe address</h2><p>Browsers offer WebGPU only over <code>https</code> and on <code>localhost</code>.
    Open this page under such an address.</p>${STILL}`,
  missing: `<h2>This browser does not offer WebGPU</h2><p>The kernels need it. It is there in:</p>${BROWSERS}${STILL}`,
  adapter: `<h2>The browser gives no GPU</h2><p>WebGPU is there, but no adapter. Mostly one of these helps:</p>
    <ul><li>Turn on hardware acceleration in the browser's settings, and start the browser again.</li>
    <li>Update the graphics driver: browsers refuse some old ones.</li>
    <li>In a virtual machine or over a remote desktop there may be no GPU: try on the machine itself.</li></ul>${STILL}`,
  device: `<h2>The GPU refuses</h2><p>There is an adapter, but it gives no device. Close other pages that use the GPU, or start the
    browser again.</p>${STILL}`,
};

/** The words for a reason. */
export const notice = (reason) => NOTICES[reason];

/** The adapter's name as far as the browser tells, or the reason why there is none. */
export async function look() {
  if (!navigator.gpu) return { reason: globalThis.isSecureContext ? 'missing' : 'insecure' };
  const adapter = await navigator.gpu.requestAdapter({ powerPreference: 'high-performance' }).catch(() => null);
  if (!adapter) return { reason: 'adapter' };
  const { description, vendor, architecture, device } = adapter.info ?? {};
  return { name: description || [vendor, architecture, device].filter(Boolean).join(' ') || 'a GPU without a name' };
}

/** The browser and the system, as in `Chromium 156 on Linux`. */
export function browser() {
  const data = navigator.userAgentData;
  const brand = data?.brands.filter(({ brand }) => !/not.?a.?brand/i.test(brand.replace(/[^a-z ]/gi, ' ')))
    .sort((a, b) => (a.brand === 'Chromium') - (b.brand === 'Chromium'))[0];
  if (brand) return `${brand.brand} ${brand.version} on ${data.platform || 'an unknown system'}`;
  const [, name, version] = /(Firefox|Edg|Chrome)\/(\d+)/.exec(navigator.userAgent)
    ?? /(?:(Version)\/([\d.]+))/.exec(navigator.userAgent) ?? [];
  const system = /Android|iPhone|iPad|Mac OS X|Windows|Linux|CrOS/.exec(navigator.userAgent)?.[0] ?? 'an unknown system';
  return `${name === 'Version' ? 'Safari' : name ?? 'a browser'} ${version ?? ''} on ${system}`.replace(/\s+/g, ' ');
}
