// What a display may ask of its user, as noVNC names it.

export type CredentialType = 'username' | 'password' | 'target';

/** order is the order in which they are asked for. */
export const order: readonly CredentialType[] = ['username', 'password', 'target'];

/** labels name them on the page. */
export const labels: Record<CredentialType, string> = {
  username: 'User name',
  password: 'Password',
  target: 'Machine or session',
};

/** entered reads the asked ones from a form whose inputs bear their names. */
export function entered(form: HTMLFormElement, asked: readonly CredentialType[]): Partial<Record<CredentialType, string>> {
  const data = new FormData(form);
  return Object.fromEntries(
    asked.map((t) => {
      const value = data.get(t);
      return [t, typeof value === 'string' ? value : ''];
    }),
  );
}
