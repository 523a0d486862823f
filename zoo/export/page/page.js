// Send a drawing, a file or a camera's picture to the network, and show the most likely classes.

import * as answer from './answer.js';
import { Camera } from './camera.js';
import { Classifier } from './classifier.js';
import { showFacts, showProgress } from './facts.js';
import { layout } from './ink.js';
import { Pad } from './pad.js';
import { decode, pixels } from './pixels.js';
import { sampleFile, samplePixels, verify } from './sample.js';
import { differences } from './unlike.js';

const SHOWN_SIDE = 1024; // most pixels of a picture's side on the page; the network gets all of them

const element = (id) => document.getElementById(id);
const model = JSON.parse(element('model').textContent);
const draws = model.channels === 1;
const camera = new Camera(element('video'));

let classifier = null;
let pad = null;
let waiting = null; // the newest picture: its reader, whether its answer is read aloud, and its turn
let turn = 0; // answers of earlier turns are dropped
let busy = false;
let taken = null; // the pixels of the picture on the page, inverted if the user asks for it
let failure = null; // why the network cannot be used

function show(id, visible) {
  element(id).hidden = !visible;
}

/** Show an error; null removes it, unless the network cannot be used. */
function problem(error) {
  const shown = error ?? failure;
  element('problem').textContent = shown?.message ?? '';
  show('problem', shown !== null);
}

/** Classify a picture after the current one; of several waiting pictures only the newest is classified. */
async function classify(read, aloud = true) {
  waiting = { read, aloud, turn };
  if (busy || classifier === null) return;
  busy = true;
  try {
    while (waiting !== null) {
      const asked = waiting;
      waiting = null;
      element('waiting').textContent = 'Computing …';
      const found = await classifier.run(asked.read(), model);
      if (asked.turn === turn) {
        show('waiting', false);
        answer.present(model, found, asked.aloud);
      }
    }
  } catch (error) {
    show('waiting', false);
    problem(error);
  } finally {
    busy = false;
  }
}

/** Remove the answer on the page, and drop those still to come. */
function forget() {
  turn += 1;
  waiting = null;
  answer.clear();
  element('note').textContent = '';
  taken = null;
  warn([], '');
  show('invert', false);
  element('waiting').textContent = draws ? 'Waiting for a drawing.' : 'Waiting for a picture.';
  show('waiting', classifier !== null);
  problem(null);
}

/** Show the pad, a picture, the camera or nothing (null) on the stage. */
function stage(id) {
  for (const other of ['pad', 'picture', 'video']) show(other, other === id);
  show('guide', id === 'pad' && pad.guided);
  show('hint', id === null || (id === 'pad' && pad.empty));
}

/** Show and classify an image, video or canvas. */
function picture(source, width, height, name) {
  const canvas = element('picture');
  const scale = Math.min(1, SHOWN_SIDE / Math.max(width, height));
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  canvas.getContext('2d').drawImage(source, 0, 0, canvas.width, canvas.height);
  canvas.classList.toggle('small', Math.max(width, height) <= 128);
  canvas.setAttribute('aria-label', name);
  stage('picture');
  element('note').textContent = name;
  // As in zoo.runtime: the limit for a picture that is scaled to cover the network's input; no other fit enlarges more.
  const [tall, wide] = model.cover;
  const scaledHeight = Math.max(tall, Math.floor((height * wide) / width));
  const scaledWidth = Math.max(wide, Math.floor((width * tall) / height));
  if (model.fit === 'cover' && scaledHeight * scaledWidth > model.max_pixels) {
    throw new Error(`${name} is too long and thin for this network: ${width} × ${height} pixels.`);
  }
  canvas.classList.remove('inverted');
  taken = pixels(source, width, height, model.channels);
  present();
}

/** Compare the picture with the training images, and classify it. */
function present() {
  const { sentences, strokes } = differences(taken, model);
  warn(sentences, strokes);
  show('invert', strokes !== '' || element('picture').classList.contains('inverted'));
  const copy = { ...taken, data: taken.data.slice() }; // the worker takes the memory of what it gets
  classify(() => copy);
}

/** Say in what the picture is unlike the training images, and what may help. */
function warn(sentences, strokes) {
  const hint = strokes === '' ? '' : ` For ${strokes}, press Invert.`;
  element('unlike').textContent = sentences.length > 0 ? `This picture is ${sentences.join(', and ')}.${hint}` : '';
}

/** Show the network the negative of the picture, or the picture again. */
function pressInvert() {
  if (taken === null) return;
  taken = { ...taken, data: taken.data.map((level) => 255 - level) };
  element('picture').classList.toggle('inverted');
  present();
}

async function openFile(file, name = file.name) {
  stopCamera();
  forget();
  const asked = turn;
  try {
    const { bitmap, reduced } = await decode(file, model.white_level);
    if (asked === turn) picture(bitmap, bitmap.width, bitmap.height, name);
    const size = `${bitmap.width} × ${bitmap.height} pixels`;
    if (asked === turn && reduced) element('note').textContent += `, reduced to ${size}`;
    bitmap.close();
  } catch (error) {
    if (asked === turn) problem(error);
  }
}

async function pressCamera() {
  const { video } = camera;
  if (camera.runs) {
    forget();
    if (video.videoWidth > 0) picture(video, video.videoWidth, video.videoHeight, 'Picture of the camera');
    stopCamera();
    return;
  }
  forget();
  element('camera').disabled = true; // until the user has answered the browser
  try {
    await camera.start();
    stage('video');
    element('camera').textContent = 'Take picture';
    camera.watch((...frame) => classify(() => pixels(...frame, model.channels), false));
  } catch (error) {
    problem(error);
  } finally {
    element('camera').disabled = false;
  }
}

function stopCamera() {
  camera.stop();
  element('camera').textContent = 'Camera';
  if (!element('video').hidden) stage(null);
}

function startCamera() {
  show('camera', Camera.isThere);
  element('hint').textContent = 'Drop a picture here';
  if (!Camera.isThere) {
    element('note').textContent = 'No camera: browsers allow it only on pages from https or localhost.';
  }
  element('camera').addEventListener('click', pressCamera);
  stage(null);
}

async function startDrawing() {
  pad = new Pad(element('pad'), { ...model, lightOnDark: model.light_on_dark }, (ended) => {
    show('hint', false);
    if (pad.centred) element('note').textContent = 'Centred for the network, like the pictures of the data set.';
    classify(() => pad.pixels(), ended);
  });
  element('stage').style.aspectRatio = `${model.width} / ${model.height}`;
  element('hint').textContent = 'Draw here';
  element('hint').classList.toggle('light', model.light_on_dark);
  show('clear', true);
  element('clear').addEventListener('click', () => {
    forget();
    pad.clear();
    stage('pad');
  });
  const { share, centred } = layout(await samplePixels(model), pad.ground);
  pad.centred = centred;
  pad.guided = share > 0.3 && share < 0.9;
  element('guide').style.setProperty('--share', String(share));
  stage('pad');
}

function listen() {
  element('invert').addEventListener('click', pressInvert);
  element('file').addEventListener('change', ({ target }) => {
    if (target.files.length > 0) openFile(target.files[0]);
    target.value = ''; // so that the same file can be chosen again
  });
  element('example').addEventListener('click', async () => {
    openFile(await sampleFile(model), 'Example: a picture of the data set');
  });
  addEventListener('dragover', (event) => {
    event.preventDefault();
    element('stage').classList.add('over');
  });
  for (const end of ['dragleave', 'drop']) addEventListener(end, () => element('stage').classList.remove('over'));
  addEventListener('drop', (event) => {
    event.preventDefault();
    if (event.dataTransfer.files.length > 0) openFile(event.dataTransfer.files[0]);
  });
  addEventListener('paste', ({ clipboardData }) => {
    if (clipboardData.files.length > 0) openFile(clipboardData.files[0]);
  });
}

async function start() {
  showFacts(model);
  forget();
  listen();
  try {
    if (draws) await startDrawing();
    else startCamera();
    const loaded = await Classifier.load(model.file, { bytes: model.bytes, onProgress: showProgress });
    await verify(loaded, model);
    element('checked').textContent =
      "Checked here: the network's sample gives the answer it gave where it was exported."
      + ` Computed by onnxruntime-web ${loaded.version}.`;
    classifier = loaded;
    show('waiting', true);
    if (waiting !== null) classify(waiting.read, waiting.aloud);
  } catch (error) {
    failure = error;
    problem(null);
  }
  show('loading', false);
}

start();
