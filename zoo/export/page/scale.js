// Bring a picture to the network's input where the graph does not: Pillow's arithmetic, to the last bit.

const ONE = 2 ** 22; // weights are whole numbers of this fraction

/**
 * Return what a graph takes.
 * @param {{data: Uint8Array, height: number, width: number}} picture data: (height, width, channels), 0 to 255.
 * @param {object} input form ('any', 'fixed' or 'float'), batch, channels, height, width, fit, cover, interpolation, mean
 *     and std of the file.
 * @returns {{type: string, data: Uint8Array|Float32Array, shape: number[]}} of the tensor.
 */
export function tensor(picture, input) {
  const { form, batch, channels, height, width } = input;
  if (form === 'any') {
    return { type: 'uint8', data: picture.data, shape: [1, picture.height, picture.width, channels] };
  }
  const levels = scaled(picture, input);
  const size = levels.length;
  const [type, one] = form === 'fixed' ? ['uint8', levels] : ['float32', normalised(levels, input)];
  const data = new one.constructor(batch * size);
  for (let image = 0; image < batch; image += 1) data.set(one, image * size); // all but the first are filling
  return { type, data, shape: form === 'fixed' ? [batch, height, width, channels] : [batch, channels, height, width] };
}

function normalised(levels, { channels, mean, std }) {
  const count = levels.length / channels;
  const values = new Float32Array(levels.length);
  for (let channel = 0; channel < channels; channel += 1) {
    const scale = Math.fround(1 / Math.fround(255 * Math.fround(std[channel])));
    const shift = Math.fround(-Math.fround(mean[channel]) / Math.fround(std[channel]));
    for (let place = 0; place < count; place += 1) {
      values[channel * count + place] = Math.fround(levels[place * channels + channel] * scale) + shift;
    }
  }
  return values;
}

/** Return the picture at the network's size, (height, width, channels); arguments as above. */
export function scaled({ data, height, width }, input) {
  const { channels, fit, cover: [tall, wide] } = input;
  if (height === input.height && width === input.width) return data;
  let [rows, columns] = [tall, wide];
  if (fit !== 'stretch') {
    const choose = fit === 'cover' ? Math.max : Math.min;
    rows = Math.max(1, choose(tall, Math.floor((height * wide) / width)));
    columns = Math.max(1, choose(wide, Math.floor((width * tall) / height)));
  }
  const across = weights(width, columns, firstPixel(columns, input.width, wide, fit), input.width, input.interpolation);
  const down = weights(height, rows, firstPixel(rows, input.height, tall, fit), input.height, input.interpolation);
  const narrow = new Uint8Array(height * input.width * channels);
  for (let row = 0; row < height; row += 1) {
    const [from, to] = [row * width * channels, row * input.width * channels];
    across.forEach((taps, column) => sum(data, from, channels, taps, narrow, to + column * channels, channels));
  }
  const result = new Uint8Array(input.height * input.width * channels);
  const stride = input.width * channels;
  down.forEach((taps, row) => {
    for (let column = 0; column < input.width; column += 1) {
      sum(narrow, column * channels, stride, taps, result, row * stride + column * channels, channels);
    }
  });
  return result;
}

/** Write the weighted sum of pixels, which are `step` apart, for each channel. */
function sum(source, from, step, { begin, values }, target, to, channels) {
  for (let channel = 0; channel < channels; channel += 1) {
    let total = ONE / 2;
    for (let tap = 0; tap < values.length; tap += 1) total += source[from + (begin + tap) * step + channel] * values[tap];
    target[to + channel] = Math.min(255, Math.max(0, Math.floor(total / ONE)));
  }
}

/** Return where the middle `count` pixels of a scaled side begin, as zoo.runtime does. */
function firstPixel(size, count, target, fit) {
  return fit === 'letterbox' ? half(target - count) - half(target - size) : half(size - count);
}

function half(margin) {
  return Math.floor((margin + (Math.floor(margin / 2) % 2)) / 2);
}

/** Return the first source pixel of each scaled one, and the weights from there on; none for those outside. */
function weights(length, size, first, count, interpolation) {
  const scale = length / size;
  const stretch = Math.max(1, scale);
  const [radius, kernel] = interpolation === 'bicubic' ? [2 * stretch, cubic] : [stretch, triangle];
  return Array.from({ length: count }, (_, index) => {
    const place = first + index;
    if (place < 0 || place >= size) return { begin: 0, values: [] };
    const centre = (place + 0.5) * scale;
    const begin = Math.max(0, Math.floor(centre - radius + 0.5));
    const end = Math.min(length, Math.floor(centre + radius + 0.5));
    const values = [];
    for (let from = begin; from < end; from += 1) values.push(kernel(Math.abs((from - centre + 0.5) * (1 / stretch))));
    const total = values.reduce((all, value) => all + value, 0);
    return { begin, values: values.map((value) => rounded((value / total) * ONE)) };
  });
}

function rounded(weight) {
  return Math.sign(weight) * Math.floor(Math.abs(weight) + 0.5);
}

function triangle(x) {
  return Math.max(0, 1 - x);
}

/** R. Keys, "Cubic convolution interpolation for digital image processing" (1981), a = -1/2. */
function cubic(x) {
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * -0.5 : 0;
}
