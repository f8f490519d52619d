// The stream of pictures: connects, notices silence, comes back by itself.

/** The server repeats a picture after two seconds without news, so five of silence mean that the link is gone. */
const SILENT_AFTER_MS = 5000;
const RETRY_FIRST_MS = 500;
const RETRY_MOST_MS = 8000;

/**
 * Calls `onFrame(frame)` for each picture and `onState("connecting" | "live" | "lost")` when the link changes.
 */
export function listen(url, onFrame, onState) {
  let source = null;
  let retry = RETRY_FIRST_MS;
  let heard = performance.now();
  let timer = 0;

  function connect() {
    timer = 0;
    heard = performance.now();
    source = new EventSource(url);
    source.onmessage = (message) => {
      heard = performance.now();
      retry = RETRY_FIRST_MS;
      onState("live");
      onFrame(JSON.parse(message.data));
    };
    // The browser's own retry gives up on a refusal (too many watchers), so every error takes the same path here.
    source.onerror = again;
  }

  function again() {
    source?.close();
    source = null;
    onState("lost");
    if (timer) return;
    timer = setTimeout(connect, retry);
    retry = Math.min(retry * 2, RETRY_MOST_MS);
  }

  setInterval(() => {
    if (source && performance.now() - heard > SILENT_AFTER_MS) again();
  }, 1000);
  onState("connecting");
  connect();
}
