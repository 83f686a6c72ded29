// Fetching volumes: once each, over HTTP, as typed arrays, with progress.

const ARRAYS = { uint8: Uint8Array, uint16: Uint16Array };

/** What the user is told where a volume cannot be shown. */
export class VolumeError extends Error {}

/** A volume on the display grid, x fastest: value = data[x + nx·(y + ny·z)]·slope + intercept. */
export class Volume {
  constructor(facts, data) {
    this.url = facts.url;
    this.slope = facts.slope;
    this.intercept = facts.intercept;
    this.unit = facts.unit || "";
    this.data = data;
    this.levels = data instanceof Uint8Array ? 256 : 65536;
  }

  value(index) {
    return this.data[index] * this.slope + this.intercept;
  }
}

/**
 * @param label what the volume is called in the sentence of an error
 * @param onBytes called with the number of bytes of each piece that arrives
 */
export async function fetchVolume(label, facts, shape, signal, onBytes) {
  const ArrayType = ARRAYS[facts.dtype];
  if (!ArrayType) throw new VolumeError(`The ${label} volume has the type ${facts.dtype}, which cannot be shown.`);
  const bytes = new Uint8Array(shape[0] * shape[1] * shape[2] * ArrayType.BYTES_PER_ELEMENT);
  let response;
  try {
    response = await fetch(facts.url, { signal, cache: "no-store", credentials: "same-origin" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new VolumeError(`The ${label} volume could not be fetched: the viewer's server does not answer. Is it still running?`);
  }
  if (!response.ok) {
    const why = response.status === 404 ? "the server no longer has it; fuse again" : `the server answered ${response.status}`;
    throw new VolumeError(`The ${label} volume could not be fetched: ${why}.`);
  }
  if ((await readInto(bytes, response.body.getReader(), onBytes)) !== bytes.length) {
    throw new VolumeError(`The ${label} volume did not arrive whole and is not shown. Load it again.`);
  }
  return new Volume(facts, new ArrayType(bytes.buffer));
}

/** Reads a stream into `bytes`; returns the length of the stream, as far as it fits. */
async function readInto(bytes, reader, onBytes) {
  let length = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return length;
      if (length + value.length > bytes.length) return length + value.length;
      bytes.set(value, length);
      length += value.length;
      onBytes(value.length);
    }
  } catch (error) {
    if (error.name === "AbortError") throw error;
    return -1;
  }
}

export function byteSize(facts, shape) {
  return shape[0] * shape[1] * shape[2] * (ARRAYS[facts.dtype] || Uint8Array).BYTES_PER_ELEMENT;
}
