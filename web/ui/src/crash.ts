// The last resort: an error in the page itself is shown, because a page that merely stands still explains nothing.

function show(what: string): void {
  if (document.querySelector('.crash') !== null) return; // the first error is the cause, the others follow from it
  const box = document.createElement('div');
  box.className = 'crash';
  box.setAttribute('role', 'alert');
  const title = document.createElement('h2');
  title.textContent = 'This page has a fault';
  const words = document.createElement('p');
  words.textContent = 'Load it again to go on; your programs on the display are still running. Tell whoever runs the gateway:';
  const detail = document.createElement('pre');
  detail.textContent = what;
  const button = document.createElement('button');
  button.type = 'button';
  button.textContent = 'Load again';
  button.addEventListener('click', () => location.reload());
  box.append(title, words, detail, button);
  document.body.append(box);
}

// Not a fault: browsers report it as an error when a size changes twice in one frame.
const harmless = /^ResizeObserver loop/;

/** watchForCrashes shows uncaught errors from now on. */
export function watchForCrashes(): void {
  window.addEventListener('error', (e) => {
    if (!harmless.test(e.message)) show(e.error instanceof Error ? (e.error.stack ?? e.message) : e.message);
  });
  window.addEventListener('unhandledrejection', (e) => {
    const reason: unknown = e.reason;
    show(reason instanceof Error ? (reason.stack ?? reason.message) : String(reason));
  });
}
