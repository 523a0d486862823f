// Convert pictures to the pixels that zoo.runtime gives a network: uint8 (height, width, channels).

import { read16 } from './png16.js';

// Larger pictures are reduced to this first: Safari on iOS has no larger canvas, and float64 in the graph takes 24
// bytes per RGB pixel.
export const MAX_PIXELS = 4096 * 4096;
const MAX_SIDE = 16384;

// As Pillow reads files: upright, with the stored levels.
const AS_STORED = { imageOrientation: 'from-image', colorSpaceConversion: 'none', premultiplyAlpha: 'none' };

/**
 * Decode an image file.
 * @param {Blob} file
 * @param {number} whiteLevel the level of 16-bit files that becomes 255.
 * @returns {Promise<{bitmap: ImageBitmap, reduced: boolean}>} reduced: it was larger than MAX_PIXELS or MAX_SIDE.
 * @throws {Error} the browser cannot read it.
 */
export async function decode(file, whiteLevel) {
  let bitmap;
  try {
    bitmap = await createImageBitmap((await read16(file, whiteLevel)) ?? file, AS_STORED);
  } catch (error) {
    const kind = file.type ? ` (${file.type})` : '';
    const name = file.name ?? 'The picture';
    throw new Error(`${name}${kind} is not an image that this browser can read`, { cause: error });
  }
  const { width, height } = bitmap;
  const scale = Math.min(1, Math.sqrt(MAX_PIXELS / (width * height)), MAX_SIDE / Math.max(width, height));
  if (scale === 1) return { bitmap, reduced: false };
  const small = await createImageBitmap(bitmap, {
    resizeWidth: Math.max(1, Math.floor(width * scale)),
    resizeHeight: Math.max(1, Math.floor(height * scale)),
    resizeQuality: 'high',
  });
  bitmap.close();
  return { bitmap: small, reduced: true };
}

/**
 * Read the pixels of an image, video or canvas.
 * @param {CanvasImageSource} source
 * @param {number} width of the source, in pixels.
 * @param {number} height of the source, in pixels.
 * @param {1|3} channels 1 for grey (luma), 3 for RGB; alpha is laid over white.
 * @returns {{data: Uint8Array, height: number, width: number}} data: (height, width, channels), values 0 to 255.
 */
export function pixels(source, width, height, channels) {
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  // willReadFrequently keeps the canvas in memory: a graphics card would scale with other arithmetic.
  const context = canvas.getContext('2d', { willReadFrequently: true });
  context.fillStyle = 'white';
  context.fillRect(0, 0, width, height);
  context.drawImage(source, 0, 0);
  const rgba = context.getImageData(0, 0, width, height).data;
  const data = new Uint8Array(width * height * channels);
  if (channels === 1) {
    for (let from = 0, to = 0; to < data.length; from += 4, to += 1) {
      data[to] = (rgba[from] * 19595 + rgba[from + 1] * 38470 + rgba[from + 2] * 7471 + 0x8000) >> 16; // Pillow's
    }
  } else {
    for (let from = 0, to = 0; to < data.length; from += 4, to += 3) {
      data[to] = rgba[from];
      data[to + 1] = rgba[from + 1];
      data[to + 2] = rgba[from + 2];
    }
  }
  return { data, height, width };
}
