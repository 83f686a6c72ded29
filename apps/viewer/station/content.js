// Where in a volume there is something to see, so that the panes are filled with the patient rather than with air.

const AIR = 0.1; // of the window's top: what is darker is air
const FULL_SLICE = 0.01; // the share of a slice's voxels that makes it part of the patient
const STRIDE = 3; // voxels; every third one in each direction tells enough

/** The first and the last index along each axis between which the volume shows something: [[x0, x1], [y0, y1], [z0, z1]]. */
export function contentBox(volume, shape, high) {
  const counts = shape.map((count) => new Uint32Array(count));
  const [nx, ny, nz] = shape;
  const dark = (AIR * high - volume.intercept) / volume.slope;
  const [sx, sy, sz] = shape.map((count) => (count > 8 * STRIDE ? STRIDE : 1));
  for (let z = 0; z < nz; z += sz) {
    for (let y = 0; y < ny; y += sy) {
      for (let x = 0, i = nx * (y + ny * z); x < nx; x += sx, i += sx) {
        if (volume.data[i] <= dark) continue;
        counts[0][x]++;
        counts[1][y]++;
        counts[2][z]++;
      }
    }
  }
  const samples = Math.ceil(nx / sx) * Math.ceil(ny / sy) * Math.ceil(nz / sz);
  return counts.map((found, axis) => {
    const enough = (FULL_SLICE * samples) / Math.ceil(shape[axis] / [sx, sy, sz][axis]);
    const first = found.findIndex((count) => count > enough);
    if (first < 0) return [0, shape[axis] - 1];
    return [Math.max(0, first - STRIDE), Math.min(shape[axis] - 1, found.findLastIndex((count) => count > enough) + STRIDE)];
  });
}
