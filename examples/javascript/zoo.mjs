// zoo.mjs
export function metadata(bytes, key) {
  const text = new TextDecoder("latin1").decode(bytes);
  let at = text.lastIndexOf(`\n${String.fromCharCode(key.length)}${key}\x12`) + key.length + 3;
  let length = 0; // protobuf: 7 bits a byte, lowest first
  for (let unit = 1; ; unit *= 128) {
    length += (bytes[at] & 127) * unit;
    if (bytes[at++] < 128) break;
  }
  return JSON.parse(new TextDecoder().decode(bytes.subarray(at, at + length)));
}

export function images(ort, rgba, width, height, channels) {
  const data = new Uint8Array(width * height * channels);
  for (let from = 0, to = 0; from < rgba.length; from += 4, to += channels) {
    const alpha = rgba[from + 3] / 255; // over white
    const [red, green, blue] = rgba.slice(from, from + 3).map((level) => Math.round(255 + (level - 255) * alpha));
    if (channels === 3) data.set([red, green, blue], to);
    else data[to] = (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16; // as Pillow
  }
  return new ort.Tensor("uint8", data, [1, height, width, channels]);
}

export function likeliest(classes, probabilities) {
  const order = [...probabilities.keys()].sort((a, b) => probabilities[b] - probabilities[a]).slice(0, 5);
  return order.map((label) => `${classes[label]}\t${probabilities[label].toFixed(6)}`).join("\n");
}
