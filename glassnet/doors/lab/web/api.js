// Asks the server, and turns what it refuses into words for a person.

export class Refusal extends Error {}

async function reply(response) {
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refusal(body.error || `the server answered ${response.status}`);
  return body;
}

export const get = async (path) => reply(await fetch(path));
export const post = async (path, body = {}) =>
  reply(await fetch(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) }));
export const send = async (path, bytes) =>
  reply(await fetch(path, { method: "POST", headers: { "content-type": "application/octet-stream" }, body: bytes }));

// Asks a net about one thing: {name, data: a file's bytes, or example: its name, or text}. Gives JSON, or a page as a Blob.
export async function askAbout(net, route, one, more = {}, signal = null) {
  const body = one.data || JSON.stringify(one.example ? { example: one.example } : { text: one.text });
  const headers = { "content-type": one.data ? "application/octet-stream" : "application/json" };
  const query = new URLSearchParams({ net, name: one.name.slice(0, 200), ...more });
  const answer = await fetch(`/api/${route}?${query}`, { method: "POST", headers, body, signal });
  return answer.headers.get("content-type")?.startsWith("text/html") ? answer.blob() : reply(answer);
}

// Calls work(latest arguments) one at a time; what came in between is left out but for the last.
export function latest(work, failed) {
  let running = false;
  let next = null;
  run.isIdle = () => !running;
  return run;

  async function run(...given) {
    next = given;
    if (running) return;
    running = true;
    while (next) {
      const now = next;
      next = null;
      try {
        await work(...now);
      } catch (error) {
        failed(error);
      }
    }
    running = false;
  }
}

// Bytes as text for a body, and for an address: pictures of pure ink and paper a bit a pixel.
export const encode = (bytes) => btoa(String.fromCharCode(...bytes));
export const decode = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const forAddress = (text) => text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const fromAddress = (text) => decode(text.replaceAll("-", "+").replaceAll("_", "/"));

export function shorten(bytes) {
  if (!bytes.every((v) => v === 0 || v === 255)) return `g${forAddress(encode(bytes))}`;
  const bits = new Uint8Array(Math.ceil(bytes.length / 8));
  bytes.forEach((v, i) => v && (bits[i >> 3] |= 128 >> (i & 7)));
  return `b${forAddress(encode(bits))}`;
}

export function lengthen(text, count) {
  try {
    const bytes = fromAddress(text.slice(1));
    if (text[0] === "g") return bytes.length === count ? bytes : null;
    return bytes.length === Math.ceil(count / 8) ? Uint8Array.from({ length: count }, (_, i) => (bytes[i >> 3] & (128 >> (i & 7)) ? 255 : 0)) : null;
  } catch {
    return null;
  }
}
