// The page: a picture from a drawing, a file or a camera goes to the network, the likeliest classes come back.

import { Classifier } from './classifier.js';
import { Pad } from './pad.js';
import { decode, pixels } from './pixels.js';

const TOP = 5;
const SHOWN_SIDE = 1024; // pixels of a picture on the page at most; the network is given all of them

const model = JSON.parse(document.getElementById('model').textContent);
const element = (id) => document.getElementById(id);
const draws = model.channels === 1;

let classifier = null;
let pad = null;
let stream = null;
let waiting = null; // the newest picture: what reads its pixels, whether its answer is read aloud, and its turn
let turn = 0; // answers of earlier turns come too late
let busy = false;

function show(id, visible) {
  element(id).hidden = !visible;
}

function problem(error) {
  element('problem').textContent = error ? (error.message ?? String(error)) : '';
  show('problem', Boolean(error));
}

function percent(share) {
  return share > 0 && share < 0.0005 ? '< 0.1 %' : `${(100 * share).toFixed(1)} %`;
}

/** Classify a picture, after what runs now; of several that wait only the newest. */
async function classify(read, aloud = true) {
  waiting = { read, aloud, turn };
  if (busy || classifier === null) return;
  busy = true;
  try {
    while (waiting !== null) {
      const asked = waiting;
      waiting = null;
      const answer = await classifier.run(asked.read(), model.channels);
      if (asked.turn === turn) present(answer, asked.aloud);
    }
  } catch (error) {
    problem(error);
  } finally {
    busy = false;
  }
}

/** Take back the answer that is shown, and those still to come. */
function forget() {
  turn += 1;
  waiting = null;
  element('classes').replaceChildren();
  for (const id of ['others', 'time', 'status', 'note']) element(id).textContent = '';
  show('waiting', classifier !== null);
  problem(null);
}

function present({ probabilities, milliseconds }, aloud) {
  const order = Array.from(probabilities.keys()).sort((a, b) => probabilities[b] - probabilities[a] || a - b);
  const likeliest = order.slice(0, TOP);
  element('classes').replaceChildren(...likeliest.map((label) => row(model.classes[label], probabilities[label])));
  const rest = order.slice(TOP).reduce((sum, label) => sum + probabilities[label], 0);
  const count = (order.length - likeliest.length).toLocaleString('en');
  element('others').textContent = count === '0' ? '' : `${count} other class${count === '1' ? '' : 'es'}: ${percent(rest)}`;
  element('time').textContent = `${milliseconds.toFixed(milliseconds < 10 ? 1 : 0)} ms on this device`;
  show('waiting', false);
  if (aloud) {
    const [best] = likeliest;
    element('status').textContent = `${model.classes[best]}, ${percent(probabilities[best])}`;
  }
}

function row(name, probability) {
  const line = document.createElement('li');
  const text = document.createElement('span');
  const value = document.createElement('data');
  const bar = document.createElement('span');
  text.className = 'name';
  text.textContent = text.title = name;
  value.value = String(probability);
  value.textContent = percent(probability);
  bar.className = 'bar';
  bar.style.setProperty('--share', String(probability));
  bar.setAttribute('aria-hidden', 'true');
  line.append(text, value, bar);
  return line;
}

/** Put one of the things that can be on the stage there. */
function stage(id) {
  for (const other of ['pad', 'picture', 'video']) show(other, other === id);
  show('guide', id === 'pad' && pad.guided);
  show('hint', id === 'pad' ? pad.empty : id === null);
  show('clear', draws);
}

function drawing() {
  stopCamera();
  forget();
  pad.clear();
  stage('pad');
}

/** Show and classify what a canvas can draw. */
function picture(source, width, height, name) {
  const canvas = element('picture');
  const scale = Math.min(1, SHOWN_SIDE / Math.max(width, height));
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  canvas.getContext('2d').drawImage(source, 0, 0, canvas.width, canvas.height);
  canvas.classList.toggle('small', Math.max(width, height) <= 128);
  canvas.setAttribute('aria-label', name);
  stage('picture');
  const taken = pixels(source, width, height, model.channels);
  if (!covers(taken)) throw new Error(`${name} is too long and thin (${width} by ${height} pixels) for this network`);
  classify(() => taken);
}

/** As zoo.runtime: scaled to cover the network's size, a picture may have so many pixels. */
function covers({ height, width }) {
  const [tall, wide] = model.cover;
  const scaled = [Math.max(tall, Math.floor((height * wide) / width)), Math.max(wide, Math.floor((width * tall) / height))];
  return scaled[0] * scaled[1] <= model.max_pixels;
}

async function openFile(file, name = file.name) {
  stopCamera();
  forget();
  try {
    const { bitmap, reduced } = await decode(file);
    picture(bitmap, bitmap.width, bitmap.height, name);
    element('note').textContent = reduced ? `${name} was reduced to ${bitmap.width} × ${bitmap.height} pixels first.` : name;
    bitmap.close();
  } catch (error) {
    problem(error);
  }
}

async function openExample() {
  await openFile(await sample(), 'Example: a picture of the data set');
}

async function sample() {
  const response = await fetch(`data:image/png;base64,${model.sample.image}`);
  return response.blob();
}

async function toggleCamera() {
  if (stream !== null) {
    const video = element('video');
    const [width, height] = [video.videoWidth, video.videoHeight];
    forget();
    if (width > 0) picture(video, width, height, 'Picture of the camera');
    stopCamera();
    return;
  }
  forget();
  element('camera').disabled = true; // until the user has answered
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment', width: { ideal: 640 } } });
  } catch (error) {
    const reasons = { NotAllowedError: 'The camera was not allowed.', NotFoundError: 'No camera was found.' };
    problem(new Error(reasons[error.name] ?? `The camera does not start: ${error.message}`));
    return;
  } finally {
    element('camera').disabled = false;
  }
  element('camera').textContent = 'Take the picture';
  const video = element('video');
  video.srcObject = stream;
  stage('video');
  await video.play();
  watch(video);
}

/** Classify what the camera sees as often as the network can, until it stops. */
async function watch(video) {
  const watched = stream;
  while (stream === watched) {
    if (video.videoWidth > 0 && !busy) {
      await classify(() => pixels(video, video.videoWidth, video.videoHeight, model.channels), false);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function stopCamera() {
  if (stream === null) return;
  for (const track of stream.getTracks()) track.stop();
  stream = null;
  element('video').srcObject = null;
  element('camera').textContent = 'Camera';
  if (!element('video').hidden) stage(null);
}

function startDrawing() {
  pad = new Pad(element('pad'), { ...model, lightOnDark: model.light_on_dark }, (ended) => {
    show('hint', false);
    classify(() => pixels(pad.canvas, pad.canvas.width, pad.canvas.height, 1), ended);
  });
  element('hint').textContent = 'Draw here';
  element('hint').classList.toggle('light', model.light_on_dark);
  element('clear').addEventListener('click', drawing);
  stage('pad');
}

/** Frame the part of the pad that the data's pictures fill: MNIST's are 20 of 28 pixels high or wide. */
function drawGuide({ data, width, height }) {
  let [left, right, top, bottom] = [width, 0, height, 0];
  for (let place = 0; place < data.length; place += 1) {
    if (model.light_on_dark ? data[place] > 63 : data[place] < 192) {
      [left, right] = [Math.min(left, place % width), Math.max(right, (place % width) + 1)];
      [top, bottom] = [Math.min(top, Math.floor(place / width)), Math.max(bottom, Math.floor(place / width) + 1)];
    }
  }
  const share = Math.max((right - left) / width, (bottom - top) / height);
  pad.guided = share > 0.3 && share < 0.9;
  element('guide').style.setProperty('--share', String(share));
  show('guide', pad.guided && !element('pad').hidden);
}

function startCamera() {
  show('camera', Boolean(navigator.mediaDevices?.getUserMedia));
  element('hint').textContent = 'Drop a picture here';
  if (element('camera').hidden) {
    element('note').textContent = 'No camera: browsers lend it only to pages from https or localhost.';
  }
  element('camera').addEventListener('click', toggleCamera);
  stage(null);
}

function facts() {
  const accuracy = model.test_accuracy === null ? 'not measured' : `${(100 * model.test_accuracy).toFixed(1)} %`;
  const lines = {
    Network: model.architecture,
    'Data set': model.dataset,
    'Test accuracy': accuracy,
    Classes: model.classes.length.toLocaleString('en'),
    Sees: `${model.width} × ${model.height} pixels, ${draws ? 'grey' : 'RGB'}`,
    File: `${(model.bytes / 1e6).toFixed(1)} MB, ${model.precision}`,
  };
  for (const [name, text] of Object.entries(lines)) {
    const [pair, term, value] = ['div', 'dt', 'dd'].map((tag) => document.createElement(tag));
    term.textContent = name;
    value.textContent = text;
    pair.append(term, value);
    element('facts').append(pair);
  }
}

function texts() {
  const count = model.classes.length.toLocaleString('en');
  element('lead').textContent = draws
    ? `Draw, and the network says which of its ${count} classes it is.`
    : `Open, drop, paste or photograph a picture, and the network says which of its ${count} classes it is.`;
  element('waiting').textContent = draws ? 'Waiting for a drawing.' : 'Waiting for a picture.';
}

function listen() {
  element('file').addEventListener('change', (event) => {
    const [file] = event.target.files;
    if (file) openFile(file);
    event.target.value = ''; // so that the same file can be chosen again
  });
  element('example').addEventListener('click', openExample);
  addEventListener('dragover', (event) => {
    event.preventDefault();
    element('stage').classList.add('over');
  });
  for (const end of ['dragleave', 'drop']) addEventListener(end, () => element('stage').classList.remove('over'));
  addEventListener('drop', (event) => {
    event.preventDefault();
    const [file] = event.dataTransfer.files;
    if (file) openFile(file);
  });
  addEventListener('paste', (event) => {
    const [file] = event.clipboardData.files;
    if (file) openFile(file);
  });
}

function progress({ step, loaded, total }) {
  const size = loaded > 0 ? `: ${(loaded / 1e6).toFixed(1)}${total > 0 ? ` of ${(total / 1e6).toFixed(1)}` : ''} MB` : '';
  element('step').textContent = step + size;
  if (total > 0) Object.assign(element('progress'), { max: total, value: loaded });
  else element('progress').removeAttribute('value');
}

/** Let the model prove itself in this browser, as 'zoo verify' does: its sample must give its logits. */
async function verify(loaded) {
  const { bitmap } = await decode(await sample());
  const shown = pixels(bitmap, bitmap.width, bitmap.height, model.channels);
  if (pad !== null) drawGuide(shown);
  const { logits } = await loaded.run(shown, model.channels);
  const difference = Math.max(...logits.map((logit, label) => Math.abs(logit - model.sample.logits[label])));
  if (!(difference <= model.sample.tolerance)) {
    throw new Error(
      `The network does not do in this browser what it did where it was exported: the logits of its sample differ by `
        + `${difference.toPrecision(3)}, allowed is ${model.sample.tolerance.toPrecision(3)}.`,
    );
  }
  element('checked').textContent = `Checked here: the network's sample gives the answer it gave where it was exported. `
    + `Computed by onnxruntime-web ${loaded.version}.`;
}

async function start() {
  facts();
  texts();
  listen();
  if (draws) startDrawing();
  else startCamera();
  try {
    const loaded = await Classifier.load(model.file, { bytes: model.bytes, onProgress: progress });
    await verify(loaded);
    classifier = loaded;
    show('waiting', waiting === null);
    if (waiting !== null) classify(waiting.read, waiting.aloud);
  } catch (error) {
    problem(error);
  }
  show('loading', false);
}

start();
