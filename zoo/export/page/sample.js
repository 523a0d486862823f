// The sample that every exported model carries: a picture of its data and the logits it gave where it was exported.

import { decode, pixels } from './pixels.js';

/** The sample's picture as a PNG file. */
export async function sampleFile(model) {
  const response = await fetch(`data:image/png;base64,${model.sample.image}`);
  return response.blob();
}

/** The sample's pixels, as pixels() returns them. */
export async function samplePixels(model) {
  const { bitmap } = await decode(await sampleFile(model));
  return pixels(bitmap, bitmap.width, bitmap.height, model.channels);
}

/**
 * Let the model prove itself in this browser, as 'zoo verify' does.
 * @throws {Error} its sample's logits are others than where it was exported.
 */
export async function verify(classifier, model) {
  const { logits } = await classifier.run(await samplePixels(model), model.channels);
  const { logits: expected, tolerance } = model.sample;
  const difference = logits.reduce((most, logit, label) => Math.max(most, Math.abs(logit - expected[label])), 0);
  if (!(difference <= tolerance)) {
    throw new Error(
      'The network does not do in this browser what it did where it was exported: the logits of its sample differ '
        + `by ${difference.toPrecision(3)}, allowed is ${tolerance.toPrecision(3)}.`,
    );
  }
}
