/** Scalars as sigs.k8s.io/yaml v1.4.0 reads them: the right-hand sides come from that library. */
import { expect, it } from 'vitest';
import { asGoText, readPlainScalar } from './goScalars.ts';

interface Row {
  readonly text: string;
  /** As JSON. */
  readonly value: unknown;
  /** In a field for text. */
  readonly inText: string;
}

const row = (text: string, value: unknown, inText: string): Row => ({ text, value, inText });

const rows: readonly Row[] = [
  row('', null, ''),
  row('~', null, ''),
  row('NULL', null, ''),
  row('nUll', 'nUll', 'nUll'),
  row('yes', true, 'true'),
  row('y', true, 'true'),
  row('ON', true, 'true'),
  row('n', false, 'false'),
  row('Off', false, 'false'),
  row('tRue', 'tRue', 'tRue'),
  row('0777', 511, '511'),
  row('0o17', 15, '15'),
  row('09', 9, '9'),
  row('0_7', 7, '7'),
  row('1_000', 1000, '1000'),
  row('1_', 1, '1'),
  row('0x1F', 31, '31'),
  row('-0x10', -16, '-16'),
  row('0b11', 3, '3'),
  row('+5', 5, '5'),
  row('0x', '0x', '0x'),
  row('--1', '--1', '--1'),
  row('1:30', '1:30', '1:30'),
  row('2020-01-01', '2020-01-01', '2020-01-01'),
  row('1.2.3', '1.2.3', '1.2.3'),
  row('1.10', 1.1, '1.1'),
  row('3.0', 3, '3'),
  row('.5', 0.5, '0.5'),
  row('5.', 5, '5'),
  row('+.5', 0.5, '0.5'),
  row('-1.50', -1.5, '-1.5'),
  row('-0.0', -0, '-0'),
  row('100000.0', 100000, '100000'),
  row('1000000.0', 1000000, '1e+06'),
  row('1000000', 1000000, '1000000'),
  row('1e3', 1000, '1000'),
  row('1e6', 1000000, '1e+06'),
  row('1e21', 1e21, '1e+21'),
  row('0.0001', 0.0001, '0.0001'),
  row('0.00001', 0.00001, '1e-05'),
  row('123456.75', 123456.75, '123456.75'),
  row('1234567.5', 1234567.5, '1.2345675e+06'),
  row('999999.96', 999999.96, '999999.94'),
  row('16777217.0', 16777217, '1.6777216e+07'),
  row('3.14159265358979', 3.14159265358979, '3.1415927'),
  row('18446744073709551615', 18446744073709551615n, '18446744073709551615'),
  row('18446744073709551616', 2 ** 64, '1.8446744e+19'),
  row('-9223372036854775809', -(2 ** 63), '-9.223372e+18'),
  row('1e400', '1e400', '1e400'),
];

it.each(rows)('$text', ({ text, value, inText }) => {
  const read = readPlainScalar(text);
  expect(read.value).toEqual(value);
  expect(asGoText(read.value, read.isFloat)).toBe(inText);
});
