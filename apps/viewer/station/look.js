// How a scene is looked at: what is chosen in the page, apart from slice, windows and measurements.

import { IMAGES, LAYOUTS, planesOf } from "./layout.js";
import { MODES, PAIRS } from "./pictures.js";

/** How a scene is looked at before anything was changed. */
export function firstLook(scene) {
  return {
    layout: "planes",
    image: "fused",
    plane: planesOf(scene.shape)[0],
    large: null,
    mode: "network",
    alpha: 0.5,
    pairs: structuredClone(PAIRS),
    tile: 20,
    split: 0.5,
    before: false,
    palette: scene.palette,
    functionalPalette: scene.palette,
    mip: false,
    mipAngle: 0,
    zoom: 1,
    center: null,
    tool: "crosshair",
    roiKind: "sphere",
    overlays: true,
    smooth: true,
    cine: false,
    fps: 12,
  };
}

/** The part of a look that is worth keeping with a session. The palette has a place of its own there. */
export function keptLook(look) {
  const { palette, cine, tool, ...kept } = look;
  return structuredClone(kept);
}

/**
 * Brings back a kept look, as far as it still means something.
 *
 * @param offers says whether the scene has a mode
 */
export function restoreLook(look, kept, palette, offers) {
  const { layout, image, mode, pairs, ...other } = kept || {};
  for (const [name, value] of Object.entries(other)) if (Object.hasOwn(look, name)) look[name] = structuredClone(value);
  look.pairs = { ...look.pairs, ...structuredClone(pairs) };
  if (layout in LAYOUTS) look.layout = layout;
  if (IMAGES.includes(image)) look.image = image;
  if (mode in MODES && offers(mode)) look.mode = mode;
  if (palette) look.palette = palette;
}
