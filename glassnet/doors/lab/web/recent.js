// The last files that were asked about, kept in this browser so that a reload opens them again. Never more than fits.

const MOST = 40;
const BYTES = 20_000_000;

function base() {
  return new Promise((done, failed) => {
    const opening = indexedDB.open("glassnet", 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore("asked");
    opening.onsuccess = () => done(opening.result);
    opening.onerror = () => failed(opening.error);
  });
}

async function inStore(mode, work) {
  const opened = await base();
  try {
    return await new Promise((done, failed) => {
      const turn = opened.transaction("asked", mode);
      const request = work(turn.objectStore("asked"));
      turn.oncomplete = () => done(request.result);
      turn.onerror = turn.onabort = () => failed(turn.error);
    });
  } finally {
    opened.close();
  }
}

// items: [{name, data: Blob or null, text}]. chosen: which of them is open. What doesn't fit is left out, the oldest first.
export async function keep(net, items, chosen) {
  const kept = [];
  let room = BYTES;
  for (const one of [...items].reverse()) {
    room -= one.data?.size || one.text.length;
    if (room < 0 || kept.length === MOST) break;
    kept.unshift({ name: one.name, data: one.data, text: one.text });
  }
  const first = items.length - kept.length;
  return inStore("readwrite", (store) => store.put({ items: kept, chosen: chosen - first }, net)).catch(() => {});
}

export const recall = (net) => inStore("readonly", (store) => store.get(net)).catch(() => null);
