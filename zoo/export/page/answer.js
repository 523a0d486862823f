// Show the most likely classes as bars, and a sentence about the answer.

const TOP = 5;
const element = (id) => document.getElementById(id);

export function percent(share) {
  return share > 0 && share < 0.0005 ? '< 0.1 %' : `${(100 * share).toFixed(1)} %`;
}

/**
 * Show an answer.
 * @param {string[]} classes
 * @param {{probabilities: Float32Array, milliseconds: number}} answer
 * @param {boolean} aloud whether a screen reader reads it; false while a line grows or the camera runs.
 */
export function present(classes, { probabilities, milliseconds }, aloud) {
  const order = Array.from(probabilities.keys()).sort((a, b) => probabilities[b] - probabilities[a] || a - b);
  const likeliest = order.slice(0, TOP);
  const rows = likeliest.map((label) => row(classes[label], probabilities[label]));
  element('classes').replaceChildren(...rows);
  element('others').textContent = others(order.slice(TOP), probabilities);
  element('time').textContent = `${milliseconds.toFixed(milliseconds < 10 ? 1 : 0)} ms on this device`;
  if (aloud) element('status').textContent = `${classes[order[0]]}, ${percent(probabilities[order[0]])}`;
}

export function clear() {
  element('classes').replaceChildren();
  for (const id of ['others', 'time', 'status']) element(id).textContent = '';
}

function others(labels, probabilities) {
  if (labels.length === 0) return '';
  const rest = labels.reduce((sum, label) => sum + probabilities[label], 0);
  return `${labels.length.toLocaleString('en')} other class${labels.length === 1 ? '' : 'es'}: ${percent(rest)}`;
}

function row(name, probability) {
  const line = document.createElement('li');
  const text = document.createElement('span');
  const value = document.createElement('data');
  const bar = document.createElement('span');
  text.className = 'name';
  text.textContent = name;
  text.title = name;
  value.value = String(probability);
  value.textContent = percent(probability);
  bar.className = 'bar';
  bar.style.setProperty('--share', String(probability));
  bar.setAttribute('aria-hidden', 'true');
  line.append(text, value, bar);
  return line;
}
