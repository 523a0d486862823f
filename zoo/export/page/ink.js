// Find the ink in grey pictures: in a drawing, and in pictures of the data set.

const SEEN = 63; // difference in levels from the background at which a pixel counts as ink

/**
 * @param {{data: Uint8Array, height: number, width: number}} picture grey, (height, width).
 * @param {0|255} ground the level of the background.
 * @returns {{left: number, right: number, top: number, bottom: number, x: number, y: number}} distances from the left
 *   and upper edge in pixels: the box around the ink, right and bottom exclusive, and the ink's centre of mass.
 */
export function measure({ data, height, width }, ground) {
  let [left, right, top, bottom] = [width, 0, height, 0];
  let [mass, x, y] = [0, 0, 0];
  for (let row = 0, place = 0; row < height; row += 1) {
    for (let column = 0; column < width; column += 1, place += 1) {
      const ink = Math.abs(data[place] - ground);
      if (ink > SEEN) {
        left = Math.min(left, column);
        right = Math.max(right, column + 1);
        top = Math.min(top, row);
        bottom = row + 1;
      }
      mass += ink;
      x += ink * (column + 0.5);
      y += ink * (row + 0.5);
    }
  }
  return { left, right, top, bottom, x: x / mass, y: y / mass };
}

/**
 * Measure how one picture of the data set is placed in its frame. MNIST's digits, for example, are 20 of 28 pixels wide
 * or high and have their centre of mass in the middle: LeNet-5 recognised 2 to 9 of 20 sevens drawn in the middle of
 * the frame, and 20 of 20 after they were centred by mass.
 * @returns {{share: number, centred: boolean}} share: of the frame's side that the ink fills; centred: whether its
 *   centre of mass is in the middle, and the ink has room to move.
 */
export function layout(picture, ground) {
  const { left, right, top, bottom, x, y } = measure(picture, ground);
  const { height, width } = picture;
  const share = Math.max((right - left) / width, (bottom - top) / height);
  const off = Math.max(Math.abs(x - width / 2) / width, Math.abs(y - height / 2) / height);
  return { share, centred: share < 0.9 && off <= 1 / 28 };
}

/**
 * Return how far a drawing must move so that its centre of mass is in the middle and no ink leaves the picture.
 * @returns {[number, number]} whole pixels to the right and down.
 */
export function toMiddle(picture, ground) {
  const { left, right, top, bottom, x, y } = measure(picture, ground);
  const { height, width } = picture;
  const within = (step, first, last, side) => Math.min(Math.max(Math.round(step), -first), side - last);
  return [within(width / 2 - x, left, right, width), within(height / 2 - y, top, bottom, height)];
}
