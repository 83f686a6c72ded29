// Keeping what is on the screen: a PNG of the view, a scroll as video. Both are made in the browser; nothing is sent.

const FOOT = 24; // pixels for the lines below the panes
const VIDEO_TYPES = ["video/webm;codecs=vp9", "video/webm;codecs=vp8", "video/webm"];

/** The panes as they stand, with the research-use line and what was edited below. */
export function composeView(panes, station, ratio) {
  const box = panes[0].element.parentElement.getBoundingClientRect();
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(box.width * ratio);
  canvas.height = Math.round((box.height + FOOT) * ratio);
  const context = canvas.getContext("2d", { alpha: false });
  context.fillStyle = "#2b3038";
  context.fillRect(0, 0, canvas.width, canvas.height);
  for (const pane of panes) {
    const own = pane.element.getBoundingClientRect();
    drawPane(context, pane, (own.left - box.left) * ratio, (own.top - box.top) * ratio, own.width * ratio, own.height * ratio);
  }
  drawFoot(context, canvas, station, ratio);
  return canvas;
}

function drawPane(context, pane, left, top, width, height) {
  context.drawImage(pane.picture.canvas, left, top, width, height);
  context.drawImage(pane.overlay.canvas, left, top, width, height);
}

function drawFoot(context, canvas, { scene }, ratio) {
  const top = canvas.height - Math.round(FOOT * ratio);
  context.fillStyle = "#0e1013";
  context.fillRect(0, top, canvas.width, canvas.height - top);
  context.font = `${12 * ratio}px system-ui, sans-serif`;
  context.textBaseline = "middle";
  context.fillStyle = "#d9dde3";
  const middle = top + (FOOT * ratio) / 2;
  context.fillText(scene.notice, 10 * ratio, middle);
  const { registration, edited } = scene;
  const told = [...edited];
  if (registration && (registration.verdict === "doubtful" || registration.verdict === "failed")) told.push(`Registration ${registration.verdict}`);
  context.textAlign = "right";
  context.fillStyle = "#ffb340";
  context.fillText(told.join("   "), canvas.width - 10 * ratio, middle);
}

/** Offers a file to the user. Its name holds nothing of the patient. */
export function offer(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

export function savePng(canvas, name) {
  return new Promise((resolve) => {
    canvas.toBlob((blob) => {
      offer(blob, name);
      resolve();
    }, "image/png");
  });
}

export function videoType() {
  if (typeof MediaRecorder === "undefined") return null;
  return VIDEO_TYPES.find((type) => MediaRecorder.isTypeSupported(type)) || null;
}

/**
 * Records the picture of a pane while `show(i)` draws picture after picture.
 *
 * @param goOn says before each picture whether to go on
 * @returns a Blob, or null if it was stopped
 */
export async function recordPane(pane, station, count, fps, show, goOn) {
  const canvas = document.createElement("canvas");
  canvas.width = 2 * Math.round(pane.width / 2);
  canvas.height = 2 * Math.round((pane.height + FOOT) / 2);
  const context = canvas.getContext("2d", { alpha: false });
  const pieces = [];
  const recorder = new MediaRecorder(canvas.captureStream(fps), { mimeType: videoType(), videoBitsPerSecond: 8e6 });
  recorder.addEventListener("dataavailable", (event) => pieces.push(event.data));
  const stopped = new Promise((resolve) => recorder.addEventListener("stop", resolve));
  let whole = true;
  for (let i = 0; i < count; i++) {
    whole = goOn(i);
    if (!whole) break;
    show(i);
    drawPane(context, pane, 0, 0, pane.width, pane.height);
    drawFoot(context, canvas, station, 1);
    if (i === 0) recorder.start();
    await new Promise((resolve) => setTimeout(resolve, 1000 / fps));
  }
  if (recorder.state === "inactive") return null;
  recorder.stop();
  await stopped;
  return whole ? new Blob(pieces, { type: recorder.mimeType }) : null;
}
