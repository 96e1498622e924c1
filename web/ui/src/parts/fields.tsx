// The controls of the settings: each shows one setting, changes it, and is locked where the site's owner has fixed it.

import type { JSX } from 'preact';
import type { Name, Values } from '../settings.ts';
import { usePage, useStateOf } from './use.ts';

type NameOf<T> = { [N in Name]: Values[N] extends T ? N : never }[Name];

interface Common {
  label: string;
  hint?: string;
  disabled?: boolean;
}

function useSetting<N extends Name>(name: N): { value: Values[N]; fixed: boolean; change: (v: Values[N]) => void } {
  const { session } = usePage();
  const { values, fixed } = useStateOf(session);
  return { value: values[name], fixed: fixed.has(name), change: (v) => session.change(name, v) };
}

function Hint({ name, hint, fixed }: { name: Name; hint: string | undefined; fixed: boolean }): JSX.Element | null {
  const words = fixed ? 'Fixed by the owner of this site' : hint;
  if (words === undefined || words === '') return null;
  return (
    <small class="hint" id={`hint-${name}`}>
      {words}
    </small>
  );
}

/** Switch is a setting that is on or off. */
export function Switch({ name, label, hint, disabled }: Common & { name: NameOf<boolean> }): JSX.Element {
  const { value, fixed, change } = useSetting(name);
  return (
    <label class="field switch">
      <span>
        {label}
        <Hint name={name} hint={hint} fixed={fixed} />
      </span>
      <input
        type="checkbox"
        role="switch"
        name={name}
        checked={value}
        disabled={fixed || disabled}
        onChange={(e) => change(e.currentTarget.checked)}
      />
    </label>
  );
}

/** Slider is a setting from 0 to 9. */
export function Slider({ name, label, low, high }: Common & { name: 'quality' | 'compression'; low: string; high: string }): JSX.Element {
  const { value, fixed, change } = useSetting(name);
  return (
    <label class="field">
      <span class="row">
        {label}
        <span class="value">{value}</span>
      </span>
      <input
        type="range"
        name={name}
        min="0"
        max="9"
        step="1"
        value={value}
        disabled={fixed}
        onChange={(e) => change(Number(e.currentTarget.value))}
      />
      <span class="row hint" aria-hidden="true">
        <small>{low}</small>
        <small>{high}</small>
      </span>
    </label>
  );
}

/** Choice is a setting with a few named values. */
export function Choice<N extends 'resize' | 'logging' | 'toolbar'>({
  name,
  label,
  options,
}: Common & { name: N; options: Record<Values[N], string> }): JSX.Element {
  const { value, fixed, change } = useSetting(name);
  const entries = Object.entries(options) as [Values[N], string][];
  return (
    <label class="field">
      <span>{label}</span>
      <select name={name} disabled={fixed} value={value} onChange={(e) => change(e.currentTarget.value as Values[N])}>
        {entries.map(([option, words]) => (
          <option key={option} value={option}>
            {words}
          </option>
        ))}
      </select>
    </label>
  );
}

/** Text is a setting of words. */
export function Text({ name, label, hint, disabled, placeholder }: Common & { name: NameOf<string>; placeholder?: string }): JSX.Element {
  const { value, fixed, change } = useSetting(name);
  return (
    <label class="field">
      <span>{label}</span>
      <input
        type="text"
        name={name}
        value={value}
        placeholder={placeholder}
        disabled={fixed || disabled}
        autocomplete="off"
        autocapitalize="off"
        spellcheck={false}
        onChange={(e) => change(e.currentTarget.value.trim())}
      />
      <Hint name={name} hint={hint} fixed={fixed} />
    </label>
  );
}

/** Count is a setting that is a whole number; scale is how many of the setting's units make one of those shown. */
export function Count({
  name,
  label,
  hint,
  disabled,
  max,
  scale = 1,
  step = 1,
  zero = '',
}: Common & { name: 'port' | 'reconnect_delay'; max: number; scale?: number; step?: number; zero?: string }): JSX.Element {
  const { value, fixed, change } = useSetting(name);
  return (
    <label class="field">
      <span>{label}</span>
      <input
        type="number"
        name={name}
        inputMode="decimal"
        min="0"
        max={max / scale}
        step={step}
        placeholder={zero}
        value={value === 0 && zero !== '' ? '' : value / scale}
        disabled={fixed || disabled}
        onChange={(e) => {
          const n = Math.round(e.currentTarget.valueAsNumber * scale);
          change(Number.isFinite(n) ? Math.min(max, Math.max(0, n)) : 0);
        }}
      />
      <Hint name={name} hint={hint} fixed={fixed} />
    </label>
  );
}
