// A canvas to draw on with pen, finger or mouse.

import { toMiddle } from './ink.js';
import { pixels } from './pixels.js';

// Least pixels of the longer side, for smooth lines; the network's graph scales the drawing down.
const SIDE = 280;

export class Pad {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {{width: number, height: number, lightOnDark: boolean}} model the input size of its network.
   * @param {(ended: boolean) => void} onChange is called while a line grows, and when it ends.
   */
  constructor(canvas, { width, height, lightOnDark }, onChange) {
    const scale = Math.max(1, Math.ceil(SIDE / Math.max(width, height)));
    canvas.width = width * scale;
    canvas.height = height * scale;
    this.canvas = canvas;
    this.context = canvas.getContext('2d', { willReadFrequently: true });
    this.ground = lightOnDark ? 0 : 255; // the level of the background
    // Measured with several widths: most digits are recognised at 2 to 2.8 of 28 pixels, and at 1.2 of 8.
    this.line = (0.9 + 0.05 * Math.max(width, height)) * scale;
    this.onChange = onChange;
    this.pointer = null;
    this.guided = this.centred = false;
    this.clear();
    canvas.addEventListener('pointerdown', (event) => this.#begin(event));
    canvas.addEventListener('pointermove', (event) => this.#go(event));
    for (const end of ['pointerup', 'pointercancel']) canvas.addEventListener(end, (event) => this.#end(event));
  }

  clear() {
    this.#wipe(this.context);
    this.empty = true;
  }

  /**
   * Return the drawing's pixels as pixels() does; if pictures of the data set are centred by mass, the drawing is too.
   */
  pixels() {
    const { width, height } = this.canvas;
    const drawn = pixels(this.canvas, width, height, 1);
    if (!this.centred || this.empty) return drawn;
    const moved = document.createElement('canvas');
    Object.assign(moved, { width, height });
    const context = moved.getContext('2d', { willReadFrequently: true });
    this.#wipe(context);
    context.drawImage(this.canvas, ...toMiddle(drawn, this.ground));
    return pixels(moved, width, height, 1);
  }

  #wipe(context) {
    context.fillStyle = this.ground === 0 ? 'black' : 'white';
    context.fillRect(0, 0, this.canvas.width, this.canvas.height);
  }

  #begin(event) {
    if (this.pointer !== null || event.button !== 0) return;
    this.pointer = event.pointerId;
    this.canvas.setPointerCapture(event.pointerId);
    this.place = this.#placeOf(event);
    this.#draw([event]);
    event.preventDefault();
  }

  #go(event) {
    if (event.pointerId !== this.pointer) return;
    const events = event.getCoalescedEvents?.() ?? [];
    this.#draw(events.length > 0 ? events : [event]);
  }

  #end(event) {
    if (event.pointerId !== this.pointer) return;
    this.pointer = null;
    this.onChange(true);
  }

  #draw(events) {
    const { context } = this;
    context.strokeStyle = this.ground === 0 ? 'white' : 'black';
    context.lineWidth = this.line;
    context.lineCap = context.lineJoin = 'round';
    context.beginPath();
    context.moveTo(...this.place);
    for (const event of events) {
      this.place = this.#placeOf(event);
      context.lineTo(this.place[0] + 0.01, this.place[1]); // the canvas does not draw a line of length 0
    }
    context.stroke();
    this.empty = false;
    this.onChange(false);
  }

  #placeOf(event) {
    const box = this.canvas.getBoundingClientRect();
    const { width, height } = this.canvas;
    return [((event.clientX - box.left) / box.width) * width, ((event.clientY - box.top) / box.height) * height];
  }
}
