import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { chooseSubnets, choosePorts, nthAddress } from './plan.ts';

test.each([
  { routes: [], pods: '10.244.0.0/24', services: '10.96.0.0/16' },
  { routes: ['default', '192.168.1.0/24', '10.0.0.5'], pods: '10.244.0.0/24', services: '10.96.0.0/16' },
  { routes: ['10.244.0.7'], pods: '10.245.0.0/24', services: '10.97.0.0/16' },
  { routes: ['10.244.0.0/15'], pods: '10.246.0.0/24', services: '10.98.0.0/16' },
  { routes: ['10.96.3.0/24', '10.97.0.0/16'], pods: '10.246.0.0/24', services: '10.98.0.0/16' },
])('with routes to $routes pods get $pods', ({ routes, pods, services }) => {
  expect(chooseSubnets(routes)).toEqual({ pods, services });
});

test('says so when nothing is free', () => {
  expect(() => chooseSubnets(['10.0.0.0/8'])).toThrow(/ip route/);
});

test.each([
  ['10.96.0.0/16', 1, '10.96.0.1'],
  ['10.244.0.0/24', 255, '10.244.0.255'],
  ['10.244.0.77/24', 256, '10.244.1.0'],
] as const)('address %s + %d', (cidr, n, address) => {
  expect(nthAddress(cidr, n)).toBe(address);
});

test('all ports differ, and one that somebody listens on is not among them', async () => {
  const server = createServer().listen(0, '0.0.0.0');
  await once(server, 'listening');
  try {
    const ports = Object.values(await choosePorts());
    expect(new Set(ports).size).toBe(9);
    expect(ports).not.toContain((server.address() as AddressInfo).port);
  } finally {
    server.close();
  }
});
