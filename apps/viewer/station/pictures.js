// What the panes show: a plane of the volumes as packed colours, at voxel size.

import { GREY, decodePalette, fillBlendTable, fillFusedTable, fillWindowTable, luma, pack, packPalette } from "./colors.js";
import { PLANES } from "./planes.js";

/** The comparisons on the fused pane, in the order of their keys. */
export const MODES = {
  network: "Fused, colour",
  network_grey: "Fused, grey",
  alpha: "Alpha blend",
  checkerboard: "Checkerboard",
  swipe: "Swipe",
  difference: "Difference",
  attribution: "Attribution",
  edges: "MRI edges",
  registration: "Before / after",
};

/** The modes that set one picture against another, and what they set against each other at first. */
export const PAIRS = {
  checkerboard: ["mri", "functional"],
  swipe: ["network", "alpha"],
  difference: ["network_grey", "mri"],
};

/** The gradient, in grey levels a voxel, at which an MRI edge begins to show, and that at which it is full. */
const EDGE_FROM = 16;
const EDGE_FULL = 40;

/** Palettes that hold no green, on which green edges show best; on the others edges are white. */
const GREENLESS = new Set(["hot_iron", "hot_metal_blue", "grey", "inverse_grey"]);

/** What the attribution is coloured with: it ends in a colour, so that a share of 100 % does not fade. */
export const ATTRIBUTION_PALETTE = "rainbow";

/** The luma of a white fused voxel under the attribution: there the colour is what is read, and bright tissue would fade it. */
const ATTRIBUTION_WHITE = 0.55;

/** Counts on from scene to scene: a number never stands for two states, so no pane keeps the picture of another fusion. */
let lastVersion = 0;

export class Pictures {
  constructor(shape, spacing, palettes) {
    this.shape = shape;
    this.spacing = spacing;
    this.volumes = {};
    this.palettes = {};
    for (const [name, base64] of Object.entries(palettes)) {
      const bytes = decodePalette(base64);
      this.palettes[name] = { name, bytes, packed: packPalette(bytes) };
    }
    this.windowTables = {};
    this.cuts = { axial: {}, coronal: {}, sagittal: {} };
    this.others = {};
    this.tables = {};
    this.version = ++lastVersion;
  }

  /** Columns and rows of a plane. */
  size(plane) {
    return [this.shape[plane.column], this.shape[plane.row]];
  }

  add(name, volume) {
    this.volumes[name] = volume;
    this.version = ++lastVersion;
  }

  /** @param volume whose values are seen through the window: that of the same name, but for the projection */
  setWindow(name, window, volume = this.volumes[name]) {
    if (!volume) return;
    const table = this.windowTables[name] || (this.windowTables[name] = new Uint8Array(volume.levels));
    fillWindowTable(table, volume, window);
    this.version = ++lastVersion;
  }

  palette(name) {
    return this.palettes[name] || this.palettes.grey || Object.values(this.palettes)[0];
  }

  /** A table of two indices, made again only when what it depends on changes. */
  table(kind, palette, alpha) {
    const key = `${palette.name} ${alpha}`;
    const kept = this.tables[kind] || (this.tables[kind] = { key: "", data: new Uint32Array(65536) });
    if (kept.key !== key) {
      if (kind === "alpha") fillBlendTable(kept.data, palette.bytes, alpha);
      else fillFusedTable(kept.data, palette.bytes, kind === "attribution" ? ATTRIBUTION_WHITE : 1);
      kept.key = key;
    }
    return kept.data;
  }

  /** One slice of a volume, 0..255 through its window, as it lies on the screen. The array is used again by the next call. */
  cut(name, planeName, slice) {
    const volume = this.volumes[name];
    const kept = this.cuts[planeName];
    const entry = kept[name] || (kept[name] = { slice: -1, version: -1, data: null });
    if (entry.slice === slice && entry.version === this.version) return entry.data;
    const plane = PLANES[planeName];
    const [columns, rows] = this.size(plane);
    if (!entry.data) entry.data = new Uint8Array(columns * rows);
    const strides = [1, this.shape[0], this.shape[0] * this.shape[1]];
    const across = strides[plane.column];
    const down = strides[plane.row];
    const start = slice * strides[plane.axis] + (columns - 1) * across + (rows - 1) * down;
    const { data } = volume;
    const table = this.windowTables[name];
    const out = entry.data;
    for (let row = 0, o = 0; row < rows; row++) {
      for (let column = 0, i = start - row * down; column < columns; column++, i -= across) {
        out[o++] = table ? table[data[i]] : data[i];
      }
    }
    entry.slice = slice;
    entry.version = this.version;
    return out;
  }

  /** The volumes that a picture needs. */
  needs(image, look) {
    if (image !== "fused") return [image];
    const of = { mri: ["mri"], functional: ["functional"], network: ["fused", "functional"], network_grey: ["fused"] };
    of.alpha = ["mri", "functional"];
    if (look.mode in PAIRS) return look.pairs[look.mode].flatMap((source) => of[source]);
    if (look.mode === "attribution") return ["fused", "attribution"];
    if (look.mode === "edges") return ["mri", "functional"];
    if (look.mode === "registration") return ["mri", look.before ? "before" : "functional"];
    return of[look.mode];
  }

  ready(image, look) {
    return this.needs(image, look).every((name) => this.volumes[name]);
  }

  /** All that decides how a picture looks; equal keys, equal pictures. */
  key(image, slice, look) {
    const own = { mri: "", functional: look.functionalPalette }[image];
    if (own !== undefined) return `${image} ${slice} ${this.version} ${own}`;
    const pair = look.mode in PAIRS ? look.pairs[look.mode] : "";
    return `${slice} ${this.version} ${look.palette} ${look.mode} ${look.alpha} ${pair} ${look.tile} ${look.split} ${look.before}`;
  }

  /** Paints the slice of an image into `out`, a Uint32Array of the plane's size. */
  paint(out, image, planeName, slice, look) {
    if (image === "mri") this.paintSource(out, "mri", planeName, slice, look);
    else if (image === "functional") lookUp(out, this.cut("functional", planeName, slice), this.palette(look.functionalPalette).packed);
    else if (look.mode in PAIRS) this.paintPair(out, planeName, slice, look);
    else if (look.mode === "attribution") {
      const share = this.cut("attribution", planeName, slice);
      lookUpTwo(out, share, this.cut("fused", planeName, slice), this.table("attribution", this.palette(ATTRIBUTION_PALETTE), 0));
    } else if (look.mode === "edges" || look.mode === "registration") this.paintEdges(out, planeName, slice, look);
    else this.paintSource(out, look.mode, planeName, slice, look);
  }

  paintSource(out, source, planeName, slice, look) {
    const cut = (name) => this.cut(name, planeName, slice);
    const palette = this.palette(look.palette);
    if (source === "mri") lookUp(out, cut("mri"), GREY);
    else if (source === "functional") lookUp(out, cut("functional"), palette.packed);
    else if (source === "network_grey") lookUp(out, cut("fused"), GREY);
    else if (source === "network") lookUpTwo(out, cut("functional"), cut("fused"), this.table("fused", palette, 0));
    else lookUpTwo(out, cut("functional"), cut("mri"), this.table("alpha", palette, look.alpha));
  }

  paintPair(out, planeName, slice, look) {
    const plane = PLANES[planeName];
    const [columns, rows] = this.size(plane);
    const other = this.others[planeName] || (this.others[planeName] = new Uint32Array(columns * rows));
    const [first, second] = look.pairs[look.mode];
    this.paintSource(out, first, planeName, slice, look);
    this.paintSource(other, second, planeName, slice, look);
    if (look.mode === "difference") {
      for (let i = 0; i < out.length; i++) out[i] = GREY[Math.round(127.5 + (luma(out[i]) - luma(other[i])) / 2)];
    } else if (look.mode === "swipe") {
      const from = splitColumn(look.split, columns);
      for (let row = 0; row < rows; row++) {
        for (let i = row * columns + from; i < (row + 1) * columns; i++) out[i] = other[i];
      }
    } else {
      for (let row = 0, i = 0; row < rows; row++) {
        const odd = Math.floor(((row + 0.5) * this.spacing[plane.row]) / look.tile);
        for (let column = 0; column < columns; column++, i++) {
          if ((odd + Math.floor(((column + 0.5) * this.spacing[plane.column]) / look.tile)) & 1) out[i] = other[i];
        }
      }
    }
  }

  /** The functional image in colour, with the edges of the windowed MRI (Sobel) over it. */
  paintEdges(out, planeName, slice, look) {
    const [columns, rows] = this.size(PLANES[planeName]);
    const name = look.mode === "registration" && look.before ? "before" : "functional";
    const palette = this.palette(look.palette);
    const colors = palette.packed;
    const uptake = this.cut(name, planeName, slice);
    const mri = this.cut("mri", planeName, slice);
    lookUp(out, uptake, colors);
    const [red, green, blue] = GREENLESS.has(palette.name) ? [60, 255, 110] : [255, 255, 255];
    for (let row = 1; row < rows - 1; row++) {
      for (let column = 1, i = row * columns + 1; column < columns - 1; column++, i++) {
        const above = i - columns;
        const below = i + columns;
        const x = mri[above + 1] - mri[above - 1] + 2 * (mri[i + 1] - mri[i - 1]) + mri[below + 1] - mri[below - 1];
        const y = mri[below - 1] - mri[above - 1] + 2 * (mri[below] - mri[above]) + mri[below + 1] - mri[above + 1];
        const strength = (Math.sqrt(x * x + y * y) / 8 - EDGE_FROM) / (EDGE_FULL - EDGE_FROM);
        if (strength <= 0) continue;
        const on = strength < 1 ? strength : 1;
        const under = out[i];
        out[i] = pack(
          Math.round((1 - on) * (under & 255) + on * red),
          Math.round((1 - on) * ((under >> 8) & 255) + on * green),
          Math.round((1 - on) * ((under >> 16) & 255) + on * blue),
        );
      }
    }
  }
}

/** The column at which the swipe changes over. */
export function splitColumn(split, columns) {
  return Math.round(split * columns);
}

function lookUp(out, indices, colors) {
  for (let i = 0; i < out.length; i++) out[i] = colors[indices[i]];
}

function lookUpTwo(out, high, low, table) {
  for (let i = 0; i < out.length; i++) out[i] = table[(high[i] << 8) | low[i]];
}
