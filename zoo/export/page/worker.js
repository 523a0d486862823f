// Run onnxruntime-web in a worker, so that the page responds while the network computes.
//
// onnxruntime-web comes from ort/ beside the page if that folder exists, else from jsDelivr, with the hash of each
// file checked. It uses one thread: more need headers (cross-origin isolation) that static hosts do not send.

import { tensor } from './scale.js';

const VERSION = '1.30.0';
const CDN = `https://cdn.jsdelivr.net/npm/onnxruntime-web@${VERSION}/dist/`;
const MODULE = {
  name: 'ort.wasm.bundle.min.mjs',
  integrity: 'sha384-PLWz+nHEVHpjwBsO0YVdvQj6n5814Iv8E3b8FG0Rp/uIAtjFMCKOpP66iPzedrIG',
};
const BINARY = {
  name: 'ort-wasm-simd-threaded.wasm',
  integrity: 'sha384-vjBJ1z7qrhkTyYsNqKeF6c7N+nOJSU94czEo+tvZcu8G75JparGq9kB+kTnEUNVM',
};

let ort;
let session;

const METHODS = {
  /** Load onnxruntime-web and a model; return the version of onnxruntime-web. */
  async load(page, model, bytes) {
    ort = await runtime(new URL('ort/', page).href);
    const content = await download(model, 'Loading the network', bytes);
    report('Preparing the network', 0, 0);
    session = await ort.InferenceSession.create(content, { executionProviders: ['wasm'] });
    return ort.env.versions.web;
  },

  /** Classify uint8 data (height, width, channels); input describes what the graph takes, as scale.js does. */
  async run(data, height, width, input) {
    const begin = performance.now();
    const { type, data: values, shape } = tensor({ data, height, width }, input);
    const { logits, probabilities } = await session.run({ images: new ort.Tensor(type, values, shape) });
    const milliseconds = performance.now() - begin;
    const first = (output) => output.data.slice(0, output.dims[1]);
    return { logits: first(logits), probabilities: first(probabilities), milliseconds };
  },
};

self.onmessage = async ({ data: { id, method, args } }) => {
  try {
    self.postMessage({ id, result: await METHODS[method](...args) });
  } catch (error) {
    self.postMessage({ id, error: error instanceof Error ? error.message : String(error) });
  }
};

/** Load onnxruntime-web. */
async function runtime(local) {
  const found = await isThere(local + MODULE.name);
  const base = found ? local : CDN;
  console.info(`zoo: onnxruntime-web from ${base}`);
  const get = ({ name, integrity }) =>
    download(base + name, 'Loading onnxruntime-web', 0, found ? {} : { integrity, credentials: 'omit' });
  let module;
  let binary;
  try {
    [module, binary] = [await get(MODULE), await get(BINARY)];
  } catch (error) {
    const remedy = `without it, put ${MODULE.name} and ${BINARY.name} into ${local}`;
    throw new Error(`${error.message}; ${remedy}`, { cause: error });
  }
  const address = URL.createObjectURL(new Blob([module], { type: 'text/javascript' })); // servers give it other types
  const loaded = await import(address);
  URL.revokeObjectURL(address);
  loaded.env.logLevel = 'error';
  loaded.env.wasm.numThreads = 1;
  loaded.env.wasm.wasmBinary = binary;
  return loaded;
}

function report(step, loaded, total) {
  self.postMessage({ progress: { step, loaded, total } });
}

/** Tell whether a file exists; some hosts answer with a page if it does not. */
async function isThere(address) {
  const response = await fetch(address, { method: 'HEAD' });
  return response.ok && !(response.headers.get('Content-Type') ?? '').startsWith('text/html');
}

async function download(address, step, total, options = {}) {
  let response;
  try {
    response = await fetch(address, options);
  } catch (error) {
    throw new Error(`${address} cannot be loaded (${error.message})`, { cause: error });
  }
  if (!response.ok) throw new Error(`${address} cannot be loaded (HTTP ${response.status})`);
  const parts = [];
  let loaded = 0;
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    loaded += value.length;
    report(step, loaded, total);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}
