// The sample in every exported model: a picture of its data set, and its logits on the machine of the export.

import { decode, pixels } from './pixels.js';

/** Return the sample's picture as a PNG file. */
export async function sampleFile(model) {
  const response = await fetch(`data:image/png;base64,${model.sample.image}`);
  return response.blob();
}

/** Return the sample's pixels as pixels() does. */
export async function samplePixels(model) {
  const { bitmap } = await decode(await sampleFile(model), model.white_level);
  return pixels(bitmap, bitmap.width, bitmap.height, model.channels);
}

/**
 * Verify the model in this browser, as 'zoo verify' does.
 * @throws {Error} the logits of its sample differ from those of the export.
 */
export async function verify(classifier, model) {
  const { logits } = await classifier.run(await samplePixels(model), model);
  const { logits: expected, tolerance } = model.sample;
  const difference = logits.reduce((most, logit, label) => Math.max(most, Math.abs(logit - expected[label])), 0);
  if (!(difference <= tolerance)) {
    throw new Error(
      'The network computes something else in this browser than where it was exported: the logits of its sample differ '
        + `by ${difference.toPrecision(3)}, allowed is ${tolerance.toPrecision(3)}.`,
    );
  }
}
