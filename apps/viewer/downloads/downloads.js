// A button a file. A file is fetched whole, its SHA-256 compared with the server's, and only then handed to the browser.

export default function ({ data, parentElement }) {
  const box = parentElement.querySelector(".files");
  const told = box.querySelector(".told");
  const shown = JSON.stringify(data.files);
  if (box.dataset.shown === shown) return;
  box.dataset.shown = shown;
  box.querySelectorAll("button").forEach((button) => button.remove());
  for (const file of data.files) {
    const button = document.createElement("button");
    button.dataset.name = file.name;
    button.append(file.label, Object.assign(document.createElement("small"), { textContent: file.name }));
    button.addEventListener("click", () => keep(file, button));
    box.insertBefore(button, told);
  }

  function tell(text, bad = false) {
    told.textContent = text;
    told.classList.toggle("bad", bad);
  }

  async function keep(file, button) {
    button.disabled = true;
    tell(`Making ${file.name} …`);
    try {
      const response = await fetch(file.url, { cache: "no-store", credentials: "same-origin" });
      if (!response.ok) {
        const reason = response.status === 404 ? "it is not there any more; fuse again" : await response.text();
        throw new Error(reason);
      }
      const content = await response.arrayBuffer();
      const digest = await sha256(content);
      if (!(response.headers.get("Repr-Digest") || "").includes(digest.base64)) throw new Error("it did not arrive whole");
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([content], { type: response.headers.get("Content-Type") }));
      link.download = file.name;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60000);
      tell(`${file.name} kept. SHA-256 ${digest.hex}`);
    } catch (error) {
      tell(`${file.name} was not kept: ${error.message}`, true);
    } finally {
      button.disabled = false;
    }
  }
}

async function sha256(content) {
  const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", content));
  return {
    base64: btoa(String.fromCharCode(...bytes)),
    hex: Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(""),
  };
}
