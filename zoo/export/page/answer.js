// Show the most likely classes as bars, and a sentence about the answer.

const TOP = 5;
const NONE = 'No class is probable enough.';
const element = (id) => document.getElementById(id);

export function percent(share) {
  return share > 0 && share < 0.0005 ? '< 0.1 %' : `${(100 * share).toFixed(1)} %`;
}

/**
 * Show an answer: the most likely classes, without those below their threshold.
 * @param {{classes: string[], labels: 'one'|'several', thresholds: number[]|null}} model
 * @param {{probabilities: Float32Array, milliseconds: number}} answer
 * @param {boolean} aloud whether a screen reader reads it; false while a line grows or the camera runs.
 */
export function present({ classes, labels, thresholds }, { probabilities, milliseconds }, aloud) {
  const order = Array.from(probabilities.keys()).sort((a, b) => probabilities[b] - probabilities[a] || a - b);
  const reached = order.filter((label) => thresholds === null || probabilities[label] >= thresholds[label]);
  const likeliest = reached.slice(0, TOP);
  const rows = likeliest.map((label) => row(classes[label], probabilities[label]));
  element('classes').replaceChildren(...rows);
  const rest = order.filter((label) => !likeliest.includes(label));
  element('others').textContent = (reached.length === 0 ? `${NONE} ` : '') + others(rest, probabilities, labels);
  element('time').textContent = `${milliseconds.toFixed(milliseconds < 10 ? 1 : 0)} ms on this device`;
  const [first] = likeliest;
  if (aloud) element('status').textContent = reached.length === 0 ? NONE : `${classes[first]}, ${percent(probabilities[first])}`;
}

export function clear() {
  element('classes').replaceChildren();
  for (const id of ['others', 'time', 'status']) element(id).textContent = '';
}

/** Name how many classes are not shown; their probabilities are added up where an image has one class. */
function others(rest, probabilities, labels) {
  if (rest.length === 0) return '';
  const text = `${rest.length.toLocaleString('en')} other class${rest.length === 1 ? '' : 'es'}`;
  if (labels === 'several') return text;
  return `${text}: ${percent(rest.reduce((sum, label) => sum + probabilities[label], 0))}`;
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
