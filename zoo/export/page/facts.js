// Show facts about the model, and the progress of loading it.

const element = (id) => document.getElementById(id);

export function showFacts(model) {
  const count = model.classes.length.toLocaleString('en');
  const grey = model.channels === 1;
  const lines = {
    Network: model.architecture,
    'Data set': model.dataset,
    'Test accuracy': model.test_accuracy === null ? 'not measured' : `${(100 * model.test_accuracy).toFixed(1)} %`,
    Classes: count,
    Sees: `${model.width} × ${model.height} pixels, ${grey ? 'grey' : 'RGB'}`,
    File: `${(model.bytes / 1e6).toFixed(1)} MB, ${model.precision}`,
  };
  for (const [name, text] of Object.entries(lines)) {
    const [pair, term, value] = ['div', 'dt', 'dd'].map((tag) => document.createElement(tag));
    term.textContent = name;
    value.textContent = text;
    pair.append(term, value);
    element('facts').append(pair);
  }
  const how = grey ? 'Draw, open, drop or paste a picture' : 'Open, drop, paste or photograph a picture';
  element('lead').textContent = `${how}, and the network says which of its ${count} classes it is.`;
}

/** Show {step, loaded, total} in bytes; total is 0 if unknown. */
export function showProgress({ step, loaded, total }) {
  const megabytes = (bytes) => (bytes / 1e6).toFixed(1);
  const size = total > 0 ? `${megabytes(loaded)} of ${megabytes(total)}` : megabytes(loaded);
  element('step').textContent = loaded > 0 ? `${step}: ${size} MB` : step;
  if (total > 0) Object.assign(element('progress'), { max: total, value: loaded });
  else element('progress').removeAttribute('value');
}
