/** Text to nested lists: the s-expressions that VNN-LIB shares with SMT-LIB. */
import { DataError, UnsupportedError } from '../../errors.js';

/** A word or a list, and where it begins. */
export type Expression = Word | List;

export interface Word {
  readonly text: string;
  readonly offset: number;
}

export interface List {
  readonly items: readonly Expression[];
  readonly offset: number;
}

/** No specification nests this deep; the limit keeps later recursion off the end of the stack. */
const deepest = 500;

const blank = /(?:\s+|;[^\n]*)*/y;
const wordPattern = /[^\s();]+/y;

/** The text of a specification with its name, for errors that say where they are. */
export class Source {
  readonly name: string;
  readonly text: string;

  constructor(name: string, text: string) {
    this.name = name;
    this.text = text;
  }

  /** An error about the content at an offset. */
  error(offset: number, message: string): DataError {
    return new DataError(`${this.#place(offset)}: ${message}`);
  }

  /** An error about something that is well formed but that bulwark cannot decide. */
  unsupported(offset: number, message: string): UnsupportedError {
    return new UnsupportedError(`${this.#place(offset)}: ${message}`);
  }

  #place(offset: number): string {
    const before = this.text.slice(0, offset);
    const line = before.split('\n').length;
    return `${this.name}, line ${line}, column ${offset - before.lastIndexOf('\n')}`;
  }
}

/** @throws DataError for parentheses that do not match, words between lists, and nesting beyond reason. */
export function parseExpressions(source: Source): List[] {
  const { text } = source;
  const top: List[] = [];
  const open: { items: Expression[]; offset: number }[] = [];
  let offset = skipBlank(text, 0);
  while (offset < text.length) {
    const inner = open.at(-1);
    if (text[offset] === '(') {
      if (open.length === deepest)
        throw source.error(offset, `more than ${deepest} parentheses inside each other`);
      open.push({ items: [], offset });
      offset += 1;
    } else if (text[offset] === ')') {
      const list = open.pop();
      if (list === undefined) throw source.error(offset, `')' without its '('`);
      (open.at(-1)?.items ?? top).push(list);
      offset += 1;
    } else {
      wordPattern.lastIndex = offset;
      const word = wordPattern.exec(text)![0];
      if (inner === undefined) throw source.error(offset, `expected '(', found ${shown(word)}`);
      inner.items.push({ text: word, offset });
      offset += word.length;
    }
    offset = skipBlank(text, offset);
  }
  const unclosed = open.at(-1);
  if (unclosed !== undefined) throw source.error(unclosed.offset, `'(' is never closed`);
  return top;
}

function skipBlank(text: string, offset: number): number {
  blank.lastIndex = offset;
  blank.exec(text);
  return blank.lastIndex;
}

export function isWord(expression: Expression | undefined): expression is Word {
  return expression !== undefined && 'text' in expression;
}

/** The word that a list begins with, `''` where it begins with none. */
export function headOf(expression: Expression): string {
  if (isWord(expression)) return '';
  const [head] = expression.items;
  return isWord(head) ? head.text : '';
}

/** For messages: a word in quotes, the beginning of a list. */
export function describe(expression: Expression): string {
  return isWord(expression) ? shown(expression.text) : `'(${headOf(expression)} ...)'`;
}

function shown(word: string): string {
  return `'${word.length > 40 ? `${word.slice(0, 40)}...` : word}'`;
}
