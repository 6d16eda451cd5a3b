import { describe, expect, it } from 'vitest';
import { KeyMap } from './keyMap.ts';

describe('KeyMap', () => {
  it('tells namespaces apart, and objects without one', () => {
    const map = new KeyMap<string>();
    const keys = ['', 'a', 'b'].map((namespace) => ({ namespace, name: 'x' }));
    for (const key of keys) map.set(key, `in ${key.namespace}`);
    expect(keys.map((key) => map.get(key))).toEqual(['in ', 'in a', 'in b']);
    expect(map.values()).toHaveLength(3);
  });

  it('forgets', () => {
    const map = new KeyMap<number>();
    const key = { namespace: '__proto__', name: 'constructor' };
    map.delete(key);
    map.set(key, 1);
    map.set(key, 2);
    expect(map.get(key)).toBe(2);
    map.delete(key);
    expect([map.get(key), ...map.values()]).toEqual([undefined]);
  });
});
