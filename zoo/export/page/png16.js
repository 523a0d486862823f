// Read PNG files of 16 bits as zoo.runtime does. A browser gives their high bytes alone, and cameras often fill 10 or
// 12 of the 16 bits.

const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];
const CHANNELS = { 0: 1, 2: 3, 4: 2, 6: 4 }; // by PNG's colour type: grey, RGB, grey and RGB with alpha
const FULL = 65535;

/**
 * @param {Blob} file
 * @param {number} whiteLevel the level that becomes 255.
 * @returns {Promise<ImageData|null>} null if it is no PNG of 16 bits, or an interlaced one.
 * @throws {Error} the file is damaged.
 */
export async function read16(file, whiteLevel) {
  const head = new DataView(await file.slice(0, 29).arrayBuffer());
  const isPng = head.byteLength === 29 && SIGNATURE.every((byte, place) => head.getUint8(place) === byte);
  const channels = isPng ? CHANNELS[head.getUint8(25)] : undefined;
  if (channels === undefined || head.getUint8(24) !== 16 || head.getUint8(28) !== 0) return null;
  const [width, height] = [head.getUint32(16), head.getUint32(20)];
  const stride = 2 * channels * width;
  const rows = await inflate(compressed(await file.arrayBuffer()));
  if (rows.length < height * (stride + 1)) throw new Error('the file is cut off');
  const levels = unfilter(rows, height, stride, 2 * channels);
  return toImage(levels, { width, height, channels, whiteLevel });
}

/** Return the parts of a PNG file that hold its compressed rows. */
function compressed(content) {
  const view = new DataView(content);
  const parts = [];
  for (let place = 8; place + 12 <= content.byteLength; ) {
    const length = view.getUint32(place);
    if (view.getUint32(place + 4) === 0x49444154) parts.push(content.slice(place + 8, place + 8 + length)); // IDAT
    place += 12 + length;
  }
  return new Blob(parts);
}

async function inflate(blob) {
  const stream = blob.stream().pipeThrough(new DecompressionStream('deflate'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Undo the filter of each row (PNG specification, section 9); pixels of `step` bytes. */
function unfilter(rows, height, stride, step) {
  const bytes = new Uint8Array(height * stride);
  for (let row = 0; row < height; row += 1) {
    const filter = rows[row * (stride + 1)];
    for (let column = 0; column < stride; column += 1) {
      const place = row * stride + column;
      const left = column < step ? 0 : bytes[place - step];
      const above = row === 0 ? 0 : bytes[place - stride];
      const corner = row === 0 || column < step ? 0 : bytes[place - stride - step];
      const guess = [0, left, above, (left + above) >> 1, filter === 4 ? paeth(left, above, corner) : 0][filter];
      bytes[place] = rows[row * (stride + 1) + 1 + column] + guess;
    }
  }
  return bytes;
}

function paeth(left, above, corner) {
  const [a, b, c] = [Math.abs(above - corner), Math.abs(left - corner), Math.abs(left + above - 2 * corner)];
  if (a <= b && a <= c) return left;
  return b <= c ? above : corner;
}

/** Return RGBA of 8 bits; where no white level is known, colour keeps its high bytes, as in Pillow. */
function toImage(bytes, { width, height, channels, whiteLevel }) {
  const image = new ImageData(width, height);
  const high = whiteLevel === FULL && channels > 1;
  const level = (place) => {
    const value = 256 * bytes[place] + bytes[place + 1];
    return high ? bytes[place] : Math.floor((Math.min(value, whiteLevel) * 255) / whiteLevel);
  };
  for (let pixel = 0; pixel < width * height; pixel += 1) {
    const from = 2 * channels * pixel;
    const isGrey = channels < 3;
    for (let colour = 0; colour < 3; colour += 1) image.data[4 * pixel + colour] = level(from + (isGrey ? 0 : 2 * colour));
    image.data[4 * pixel + 3] = channels % 2 === 0 ? level(from + 2 * (channels - 1)) : 255;
  }
  return image;
}
