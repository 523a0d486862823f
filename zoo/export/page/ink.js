// Where the ink of a grey picture lies: of a drawing, and of the data's pictures.

const SEEN = 63; // levels from the ground on which a pixel counts as drawn on

/**
 * @param {{data: Uint8Array, height: number, width: number}} picture grey, (height, width).
 * @param {0|255} ground the level of what is not drawn on.
 * @returns {{left: number, right: number, top: number, bottom: number, x: number, y: number}} pixels from the left and
 *   upper edge: of the box around the ink, the right and lower side exclusive, and of its centre of mass.
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
 * How pictures of the data lie in their frame, from one of them: MNIST's digits are 20 of 28 pixels wide or high and
 * have their centre of mass in the middle. LeNet-5 recognised 2 to 9 of 20 sevens drawn in the middle of the frame, and
 * 20 of 20 moved by their centre of mass.
 * @returns {{share: number, centred: boolean}} share of the side that is filled; whether the centre of mass is the
 *   middle (asked only where there is room to move).
 */
export function layout(picture, ground) {
  const { left, right, top, bottom, x, y } = measure(picture, ground);
  const { height, width } = picture;
  const share = Math.max((right - left) / width, (bottom - top) / height);
  const off = Math.max(Math.abs(x - width / 2) / width, Math.abs(y - height / 2) / height);
  return { share, centred: share < 0.9 && off <= 1 / 28 };
}

/**
 * How far a drawing must move to have its centre of mass in the middle, no ink leaving the picture.
 * @returns {[number, number]} whole pixels to the right and down.
 */
export function toMiddle(picture, ground) {
  const { left, right, top, bottom, x, y } = measure(picture, ground);
  const { height, width } = picture;
  const within = (step, first, last, side) => Math.min(Math.max(Math.round(step), -first), side - last);
  return [within(width / 2 - x, left, right, width), within(height / 2 - y, top, bottom, height)];
}
