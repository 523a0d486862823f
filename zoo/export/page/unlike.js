// In what a picture is far from the training images: the rules of zoo.runtime, from the ranges in the model's file.

const WORDS = {
  brightness: ['much darker', 'much brighter'],
  contrast: ['of much less contrast', 'of much more contrast'],
  sharpness: ['much more blurred', 'much sharper or noisier'],
};
const MARGIN = 0.01;
const PLAIN = 1e-4;

/**
 * Compare a picture with the training images.
 * @param {{data: Uint8Array, height: number, width: number}} picture data: (height, width, channels), 0 to 255.
 * @param {object} model of the page: channels, height, width, fit, cover, training_images.
 * @returns {{sentences: string[], strokes: string}} strokes: if inverted it would be as bright as they are, what it may
 *     show; else empty.
 */
export function differences(picture, model) {
  const ranges = model.training_images ?? {};
  const sentences = [];
  let strokes = '';
  const quantities = measured(picture, model);
  for (const [name, [less, more]] of Object.entries(WORDS)) {
    if (!(name in ranges)) continue;
    const [low, high] = ranges[name];
    const value = quantities[name];
    const below = value < low - margin(low, high - low);
    if (!below && value <= high + margin(1 - high, high - low)) continue;
    const theirs = `${name} ${value.toFixed(2)}, theirs is ${low.toFixed(2)} to ${high.toFixed(2)}`;
    sentences.push(`${below ? less : more} than the images trained on (${theirs})`);
    if (name === 'brightness' && 1 - value >= low - MARGIN && 1 - value <= high + MARGIN) {
      strokes = below ? 'light strokes on a dark ground' : 'dark strokes on a light ground';
    }
  }
  if ('width' in ranges && 'height' in ranges) {
    const [[columns, mostColumns], [rows, mostRows]] = [ranges.width, ranges.height];
    if (2 * picture.height < rows || 2 * picture.width < columns) {
      const theirs = [[columns, rows], [mostColumns, mostRows]].map((size) => size.map(Math.round).join(' × '));
      const own = `${picture.width} × ${picture.height} pixels, theirs are ${theirs.join(' to ')}`;
      sentences.push(`much smaller than the images trained on (${own})`);
    }
  }
  return { sentences, strokes };
}

/** Return how far outside a range a quantity is far, by what is left to 0 or 1 there and the width of the range. */
function margin(rest, width) {
  return Math.max(MARGIN, Math.min(width, rest) / 2, 0.3 * rest);
}

/** Return brightness, contrast and sharpness, 0 to 1, of what the network sees of a picture; arguments as above. */
export function measured(picture, model) {
  const { levels, height, width } = scaled(picture, model);
  const brightness = levels.reduce((sum, level) => sum + level, 0) / levels.length;
  const contrast = Math.sqrt(levels.reduce((sum, level) => sum + (level - brightness) ** 2, 0) / levels.length);
  let squares = 0;
  for (let row = 0; row < height; row += 1) {
    for (let column = 0; column < width; column += 1) {
      const place = row * width + column;
      if (column > 0) squares += (levels[place] - levels[place - 1]) ** 2;
      if (row > 0) squares += (levels[place] - levels[place - width]) ** 2;
    }
  }
  const count = Math.max(1, height * (width - 1) + (height - 1) * width);
  return { brightness, contrast, sharpness: contrast > PLAIN ? Math.sqrt(squares / count) / (2 * contrast) : 0 };
}

/**
 * Return the mean of a picture's channels, 0 to 1, in the pixels of the network's input that it fills, without the bars
 * beside it; antialiased as Pillow's bilinear filter.
 */
function scaled({ data, height, width }, model) {
  const [tall, wide] = model.cover;
  let [rows, columns] = [tall, wide];
  if (model.fit !== 'stretch') {
    const choose = model.fit === 'cover' ? Math.max : Math.min;
    rows = Math.max(1, choose(tall, Math.floor((height * wide) / width)));
    columns = Math.max(1, choose(wide, Math.floor((width * tall) / height)));
  }
  const across = weights(width, columns, model.width);
  const down = weights(height, rows, model.height);
  const narrow = new Float32Array(height * across.length);
  const stride = model.channels;
  for (let row = 0; row < height; row += 1) {
    across.forEach((taps, column) => {
      let sum = 0;
      for (const [place, weight] of taps) {
        const from = (row * width + place) * stride;
        for (let channel = 0; channel < stride; channel += 1) sum += data[from + channel] * weight;
      }
      narrow[row * across.length + column] = sum / (255 * stride);
    });
  }
  const levels = new Float32Array(down.length * across.length);
  down.forEach((taps, row) => {
    for (let column = 0; column < across.length; column += 1) {
      let sum = 0;
      for (const [place, weight] of taps) sum += narrow[place * across.length + column] * weight;
      levels[row * across.length + column] = sum;
    }
  });
  return { levels, height: down.length, width: across.length };
}

/** Return source pixels and their weights for each of the middle `count` of `size` scaled pixels, or of all. */
function weights(length, size, count) {
  const first = Math.max(0, Math.floor((size - count) / 2));
  const scale = length / size;
  const radius = Math.max(1, scale);
  return Array.from({ length: Math.min(count, size) }, (_, index) => {
    const centre = (first + index + 0.5) * scale;
    const taps = [];
    const end = Math.min(length, Math.floor(centre + radius + 0.5));
    for (let from = Math.max(0, Math.floor(centre - radius + 0.5)); from < end; from += 1) {
      taps.push([from, Math.max(0, 1 - Math.abs(from + 0.5 - centre) / radius)]);
    }
    const sum = taps.reduce((total, [, weight]) => total + weight, 0);
    return taps.map(([from, weight]) => [from, weight / sum]);
  });
}
