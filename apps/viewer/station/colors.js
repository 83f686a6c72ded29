// Tables that turn stored values into colour, so that drawing a pixel is one or two look-ups.
//
// A packed colour is the 32-bit word of an ImageData: red in the lowest byte, opaque.

const OPAQUE = 0xff000000;

export function pack(red, green, blue) {
  return (OPAQUE | (blue << 16) | (green << 8) | red) >>> 0;
}

export const GREY = Uint32Array.from({ length: 256 }, (_, value) => pack(value, value, value));

/** 256 colours, three bytes each, of base64. */
export function decodePalette(base64) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

export function packPalette(bytes) {
  return Uint32Array.from({ length: 256 }, (_, i) => pack(bytes[3 * i], bytes[3 * i + 1], bytes[3 * i + 2]));
}

/** Luma of a packed colour, BT.601, 0 to 255. */
export function luma(packed) {
  return 0.299 * (packed & 255) + 0.587 * ((packed >> 8) & 255) + 0.114 * ((packed >> 16) & 255);
}

/** Fills `table`: stored value to 0..255 within the window [low, high]. */
export function fillWindowTable(table, volume, [low, high]) {
  const scale = (255 * volume.slope) / (high - low);
  const offset = (255 * (volume.intercept - low)) / (high - low);
  for (let stored = 0; stored < table.length; stored++) {
    const value = Math.round(stored * scale + offset);
    table[stored] = value < 0 ? 0 : value > 255 ? 255 : value;
  }
  return table;
}

/**
 * Fills `table` with the colour of a fused pixel at `uptake << 8 | luma`.
 *
 * The rule of `monai_fusion/transforms/color.py`: luma of the fused image, chroma (BT.601) of the palette at the uptake,
 * the chroma shortened until it fits into RGB. The offsets of red, green and blue from the luma carry the chroma.
 *
 * @param white the luma, 0 to 1, that 255 stands for
 */
export function fillFusedTable(table, bytes, white = 1) {
  for (let uptake = 0; uptake < 256; uptake++) {
    const red = bytes[3 * uptake] / 255;
    const green = bytes[3 * uptake + 1] / 255;
    const blue = bytes[3 * uptake + 2] / 255;
    const own = 0.299 * red + 0.587 * green + 0.114 * blue;
    const offsets = [red - own, green - own, blue - own];
    const up = Math.max(...offsets, 1e-12);
    const down = Math.max(-offsets[0], -offsets[1], -offsets[2], 1e-12);
    for (let value = 0; value < 256; value++) {
      const y = (white * value) / 255;
      const fit = Math.min(1, (1 - y) / up, y / down);
      table[(uptake << 8) | value] = pack(
        Math.round(255 * (y + fit * offsets[0])),
        Math.round(255 * (y + fit * offsets[1])),
        Math.round(255 * (y + fit * offsets[2])),
      );
    }
  }
  return table;
}

/** Fills `table` with (1 - alpha)·grey + alpha·palette at `uptake << 8 | grey`. */
export function fillBlendTable(table, bytes, alpha) {
  for (let uptake = 0; uptake < 256; uptake++) {
    const red = alpha * bytes[3 * uptake];
    const green = alpha * bytes[3 * uptake + 1];
    const blue = alpha * bytes[3 * uptake + 2];
    for (let grey = 0; grey < 256; grey++) {
      const base = (1 - alpha) * grey;
      table[(uptake << 8) | grey] = pack(Math.round(base + red), Math.round(base + green), Math.round(base + blue));
    }
  }
  return table;
}

/** A number as short as it is useful: four digits at most before they are needed. */
export function formatValue(value) {
  const size = Math.abs(value);
  if (size >= 100 || value === 0) return value.toFixed(0);
  if (size >= 10) return value.toFixed(1);
  return size >= 0.1 ? value.toFixed(2) : value.toPrecision(2);
}
