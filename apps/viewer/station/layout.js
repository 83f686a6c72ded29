// Which panes are on the screen.

import { PLANES } from "./planes.js";

export const LAYOUTS = { planes: "Three planes of one image", images: "One plane of all images", grid: "All planes of all images" };
export const IMAGES = ["mri", "functional", "fused"];

/** The planes that a volume has: a single slice has one. */
export function planesOf(shape) {
  const flat = Object.keys(PLANES).filter((name) => shape[PLANES[name].axis] === 1);
  return flat.length ? flat.slice(0, 1) : Object.keys(PLANES);
}

/**
 * Rows of pane names ("axial-fused", or "mip").
 *
 * @param look its `layout`, `image`, `plane`, `large` and `mip`
 */
export function paneRows(look, shape) {
  const planes = planesOf(shape);
  const plane = planes.includes(look.plane) ? look.plane : planes[0];
  const rows = {
    planes: [planes.map((name) => `${name}-${look.image}`)],
    images: [IMAGES.map((image) => `${plane}-${image}`)],
    grid: planes.map((name) => IMAGES.map((image) => `${name}-${image}`)),
  }[planes.length === 1 ? "images" : look.layout];
  const mip = look.mip && planes.length > 1;
  if (look.large && (rows.flat().includes(look.large) || (mip && look.large === "mip"))) return [[look.large]];
  if (mip) rows[0].push("mip");
  return rows;
}
