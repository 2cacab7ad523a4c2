import { describe, expect, it } from 'vitest';
import { makeRedactor } from '../../../../runner/job/redactor.ts';

describe('redaction', () => {
  it('takes out a secret, each of its lines, and pieces of it at the edges of a text', () => {
    const { hide, redact } = makeRedactor();
    hide('first line\nsecond line');
    expect(redact('it says first line, then')).toBe('it says [redacted], then');
    expect(redact('ends in second')).toBe('ends in [redacted]');
    expect(redact('line of something')).toBe('[redacted] of something');
    expect(redact('nothing of it')).toBe('nothing of it');
  });

  it('leaves words alone that are too short to be told from others', () => {
    const { hide, redact } = makeRedactor();
    hide('abc');
    expect(redact('the abc of it')).toBe('the abc of it');
  });
});
