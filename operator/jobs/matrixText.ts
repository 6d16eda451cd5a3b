/**
 * Placeholders in the text of a template: `${name}` stands for a value, `$${` for a plain `${`, and any other `$` for itself.
 */

/** Plain text and names, in turn. */
export type TextPart = string | { readonly name: string };

export type ParsedText = { readonly ok: true; readonly parts: readonly TextPart[] } | { readonly ok: false; readonly message: string };

const token = /\$\$\{|\$\{([^{}]{0,256})\}|\$\{/g;
const validName = /^[A-Za-z][A-Za-z0-9_-]*$/;
const longestQuote = 40;

export function parseText(text: string): ParsedText {
  const parts: TextPart[] = [];
  let plain = '';
  let end = 0;
  for (const match of text.matchAll(token)) {
    const [all, name] = match;
    plain += text.slice(end, match.index);
    end = match.index + all.length;
    if (all === '$${') {
      plain += '${';
    } else if (name !== undefined && validName.test(name)) {
      if (plain !== '') parts.push(plain);
      parts.push({ name });
      plain = '';
    } else {
      return {
        ok: false,
        message: `${quote(text.slice(match.index))} is no placeholder: write $\${ where the text is to hold a plain \${`,
      };
    }
  }
  plain += text.slice(end);
  if (plain !== '' || parts.length === 0) parts.push(plain);
  return { ok: true, parts };
}

const quote = (text: string): string => JSON.stringify(text.length <= longestQuote ? text : `${text.slice(0, longestQuote)}…`);
