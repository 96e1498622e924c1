// The fingerprint of a display's key (RA2ne), by which a user can tell it from another.

/**
 * fingerprint is the form that RealVNC and noVNC show, so that the two can be compared: the first eight bytes of the
 * key's SHA-1. Where the browser has no cryptography (a page without https) it says so.
 */
export async function fingerprint(publickey: Uint8Array<ArrayBuffer>): Promise<string> {
  if (!isSecureContext) return 'not available on a page without https';
  const hash = await crypto.subtle.digest('SHA-1', publickey);
  return [...new Uint8Array(hash).slice(0, 8)].map((b) => b.toString(16).padStart(2, '0')).join('-');
}
