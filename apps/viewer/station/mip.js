// Maximum intensity projections of the functional volume, from any direction around the head-foot axis.

/** Voxels are gathered by their maximum until none of the volume's sides is longer: uptake is smooth, and turning stays quick. */
const LONGEST_SIDE = 128;
const STEP = 10; // degrees

export const MIP_ANGLES = 360 / STEP;

export class Projections {
  /** @param volume functional, of `shape` and `spacing` */
  constructor(volume, shape, spacing) {
    this.kept = new Array(MIP_ANGLES).fill(null);
    this.factors = shape.map((count) => Math.max(1, Math.ceil(count / LONGEST_SIDE)));
    this.shape = shape.map((count, i) => Math.ceil(count / this.factors[i]));
    this.spacing = spacing.map((size, i) => size * this.factors[i]);
    this.data = gather(volume.data, shape, this.factors, this.shape);
    const [nx, ny, nz] = this.shape;
    this.step = Math.min(this.spacing[0], this.spacing[1]);
    this.columns = Math.ceil(Math.hypot(nx * this.spacing[0], ny * this.spacing[1]) / this.step);
    this.rows = nz;
    this.rowSpacing = this.spacing[2];
  }

  /**
   * Stored values of a projection, `rows` x `columns`: columns run across, rows from head to foot.
   * Angle 0 is the view from the front, 90 degrees that from the patient's left.
   */
  at(index) {
    const known = this.kept[index];
    if (known) return known;
    const [nx, ny, nz] = this.shape;
    const { columns, data } = this;
    const out = new data.constructor(this.rows * columns);
    const area = nx * ny;
    for (let column = 0; column < columns; column++) {
      const ray = this.ray(index, column);
      for (let z = 0; z < nz; z++) {
        const offset = z * area;
        let highest = 0;
        for (let i = 0; i < ray.length; i++) {
          const value = data[offset + ray[i]];
          if (value > highest) highest = value;
        }
        out[(nz - 1 - z) * columns + column] = highest;
      }
    }
    this.kept[index] = out;
    return out;
  }

  /** The value below which `percent` of a view from the front lie, of those above `least`; 0 if there is none. */
  percentile(percent, least) {
    const values = this.at(0).filter((value) => value > least).sort();
    return values.length ? values[Math.min(values.length - 1, Math.floor((values.length * percent) / 100))] : 0;
  }

  /** The in-plane voxels (x + nx·y) that a column of a projection passes. */
  ray(index, column) {
    const [nx, ny] = this.shape;
    const angle = (index * STEP * Math.PI) / 180;
    const across = (column + 0.5 - this.columns / 2) * this.step;
    const found = [];
    for (let k = 0; k < this.columns; k++) {
      const along = (k + 0.5 - this.columns / 2) * this.step;
      const x = Math.floor((-across * Math.cos(angle) - along * Math.sin(angle)) / this.spacing[0] + nx / 2);
      const y = Math.floor((-across * Math.sin(angle) + along * Math.cos(angle)) / this.spacing[1] + ny / 2);
      if (x >= 0 && x < nx && y >= 0 && y < ny) found.push(x + nx * y);
    }
    return Int32Array.from(found);
  }

  /** The voxel of the whole volume (centre of the gathered one) that a pixel of a projection shows. */
  brightest(index, column, row) {
    const [nx, ny, nz] = this.shape;
    const z = nz - 1 - row;
    let best = -1;
    for (const i of this.ray(index, column)) if (best < 0 || this.data[z * nx * ny + i] > this.data[z * nx * ny + best]) best = i;
    if (best < 0) return null;
    return [best % nx, Math.floor(best / nx), z].map((value, i) => value * this.factors[i] + (this.factors[i] - 1) / 2);
  }

  /** Where a voxel of the whole volume falls: [column, row], not rounded. */
  place(index, voxel) {
    const [nx, ny, nz] = this.shape;
    const [x, y, z] = voxel.map((value, i) => (value + 0.5) / this.factors[i]);
    const angle = (index * STEP * Math.PI) / 180;
    const across = -(x - nx / 2) * this.spacing[0] * Math.cos(angle) - (y - ny / 2) * this.spacing[1] * Math.sin(angle);
    return [across / this.step + this.columns / 2, nz - z];
  }

  /** The direction, on the grid's axes, in which the columns of a projection run. */
  direction(index) {
    const angle = (index * STEP * Math.PI) / 180;
    return [-Math.cos(angle), -Math.sin(angle)];
  }

  degrees(index) {
    return index * STEP;
  }
}

/** The maximum of each block of `factors` voxels. */
function gather(data, shape, factors, small) {
  if (factors.every((factor) => factor === 1)) return data;
  const out = new data.constructor(small[0] * small[1] * small[2]);
  const columns = Int32Array.from({ length: shape[0] }, (_, x) => Math.floor(x / factors[0]));
  for (let z = 0, i = 0; z < shape[2]; z++) {
    for (let y = 0; y < shape[1]; y++) {
      const row = small[0] * (Math.floor(y / factors[1]) + small[1] * Math.floor(z / factors[2]));
      for (let x = 0; x < shape[0]; x++, i++) {
        const o = row + columns[x];
        if (data[i] > out[o]) out[o] = data[i];
      }
    }
  }
  return out;
}
