// The three planes as a radiologist sees them, and the way between voxels, millimetres and the sides of the patient.
//
// On the display grid x grows to the patient's right, y to the front, z to the head. In every plane both the columns and
// the rows run against their axis: the patient's right is left on the screen, the front or the head is on top.

export const PLANES = {
  axial: { name: "Axial", axis: 2, column: 0, row: 1, color: "#ff6b6b" },
  coronal: { name: "Coronal", axis: 1, column: 0, row: 2, color: "#5fd97a" },
  sagittal: { name: "Sagittal", axis: 0, column: 1, row: 2, color: "#ffd54a" },
};

const SIDES = [["R", "L"], ["A", "P"], ["H", "F"]];

// A second letter is shown where the direction leans to it by more than 10 degrees.
const LEANING = Math.sin(Math.PI / 18);

/** A voxel index [x, y, z] in RAS millimetres. */
export function toMm(affine, voxel) {
  return [0, 1, 2].map((i) => affine[i][0] * voxel[0] + affine[i][1] * voxel[1] + affine[i][2] * voxel[2] + affine[i][3]);
}

/** A point in RAS millimetres as a voxel index; `inverse` is that of the affine. */
export function toVoxel(inverse, mm) {
  return toMm(inverse, mm);
}

/** The inverse of a 4x4 affine. */
export function invert(affine) {
  const [[a, b, c], [d, e, f], [g, h, i]] = affine;
  const determinant = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);
  const rotation = [
    [e * i - f * h, c * h - b * i, b * f - c * e],
    [f * g - d * i, a * i - c * g, c * d - a * f],
    [d * h - e * g, b * g - a * h, a * e - b * d],
  ].map((row) => row.map((value) => value / determinant));
  const rows = rotation.map((row) => [...row, -(row[0] * affine[0][3] + row[1] * affine[1][3] + row[2] * affine[2][3])]);
  return [...rows, [0, 0, 0, 1]];
}

export function distance(from, to) {
  return Math.hypot(to[0] - from[0], to[1] - from[1], to[2] - from[2]);
}

/** The side of the patient a direction (RAS) points to: one of R L A P H F, with a second or third where it leans. */
export function sideOf(direction) {
  const length = Math.hypot(...direction);
  return [0, 1, 2]
    .filter((i) => Math.abs(direction[i]) > LEANING * length)
    .sort((i, j) => Math.abs(direction[j]) - Math.abs(direction[i]))
    .map((i) => SIDES[i][direction[i] > 0 ? 0 : 1])
    .join("");
}

/** The patient's sides at the left, right, top and bottom of a picture, by the RAS directions of its left and its top. */
export function sidesOf(left, top) {
  const opposite = (direction) => direction.map((value) => -value);
  return { left: sideOf(left), right: sideOf(opposite(left)), top: sideOf(top), bottom: sideOf(opposite(top)) };
}

export function columnOf(affine, axis) {
  return [affine[0][axis], affine[1][axis], affine[2][axis]];
}

/** Where a slice lies along its plane's normal, in mm, as the side of the patient and the distance: "H 34.5 mm". */
export function slicePosition(affine, plane, voxel) {
  const normal = columnOf(affine, plane.axis);
  const mm = toMm(affine, voxel);
  const along = (normal[0] * mm[0] + normal[1] * mm[1] + normal[2] * mm[2]) / Math.hypot(...normal);
  return `${SIDES[plane.axis][along >= 0 ? 0 : 1]} ${Math.abs(along).toFixed(1)} mm`;
}

/** A point as the physician says it: "R 12.0  A 4.5  H 33.0 mm". */
export function pointText(mm) {
  return `${mm.map((value, i) => `${SIDES[i][value >= 0 ? 0 : 1]} ${Math.abs(value).toFixed(1)}`).join("  ")} mm`;
}
