// A reporter of node:test (`--test-reporter`) that writes one JSON line an event to the file named by ASTRO_EVENTS, and
// gives node one short line a finished test, behind a record separator (U+001E), for whoever watches. What is counted,
// and as what, is node's own rule (lib/internal/test_runner: suites are no tests, a file without tests is one).
//
// Each line is written whole before the next, so what ran is told even where node dies. Runs inside the sandbox; whoever
// reads the lines takes them for hostile.

import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const MESSAGE = 2_000;
const TRACE = 12_000;
const OUTPUT = 4_000;
const FULL = 1_000; // failures with their traces; of those beyond there is the message
const TOP = `${process.cwd()}/`;
const BETWEEN = ' > ';
const CANCELLED = new Set(['cancelledByParent', 'testTimeoutFailure', 'testAborted']);
const FRAME = /(file:\/\/)?(\/[^\s()]+?):(\d+):\d+\)?$/;

const OTHERS = /\n +at .*(\(|at )node:.*/g; // frames of node's own

const relative = (path) => (path.startsWith(TOP) ? path.slice(TOP.length) : path);

function cut(text, most) {
  if (text.length <= most) return text;
  const half = most >> 1;
  return `${text.slice(0, half)}\n[... ${text.length - 2 * half} characters left out ...]\n${text.slice(-half)}`;
}

// Titles and messages may have halves of surrogate pairs, and a cut makes some: most readers of JSON refuse them.
const json = (record) => JSON.stringify(record, (_, value) => (typeof value === 'string' ? value.toWellFormed() : value));

// A test may write its own stack, with what is no file's address: that stays as it stands.
function pathOf(address) {
  try {
    return fileURLToPath(`file://${address}`);
  } catch {
    return address;
  }
}

// The innermost frame within the project.
function place(stack, data) {
  for (const line of stack.split('\n')) {
    const found = FRAME.exec(line.trim());
    if (!found) continue;
    const path = relative(found[1] ? pathOf(found[2]) : found[2]);
    if (!path.startsWith('/') && !path.startsWith('node_modules/')) return [path, Number(found[3])];
  }
  return [relative(data.file ?? ''), data.line ?? 0];
}

class Recorder {
  #events;
  #begun = new Map(); // of each file, the names that lead to the test that runs
  #path = []; // the same of what is told in order, whatever runs beside it
  #printed = new Map();
  #failed = 0;
  done = 0;

  constructor(path) {
    mkdirSync(dirname(path), { recursive: true });
    this.#events = openSync(path, 'a', 0o600);
    this.#emit({ event: 'start', version: process.version });
  }

  close() {
    this.#emit({ event: 'end' });
    closeSync(this.#events);
  }

  begun({ file, name, nesting }) {
    if (name === file) return;
    const path = this.#begun.get(file) ?? [];
    path.length = nesting;
    path[nesting] = name;
    this.#begun.set(file, path);
    this.#emit({ event: 'running', id: id(file, path) });
  }

  started({ name, nesting }) {
    this.#path.length = nesting;
    this.#path[nesting] = name;
  }

  printed({ file, message }) {
    this.#printed.set(file, cut((this.#printed.get(file) ?? '') + message, 4 * OUTPUT));
  }

  // Gives the id of what is counted as a test.
  ended(data, passed) {
    const { file = '', name, nesting, details } = data;
    const whole = file === '' || relative(name) === relative(file); // a file that told of no test
    const path = [...this.#path.slice(0, nesting), name];
    const test = whole ? relative(name) : id(file, path);
    const error = details.error;
    const suite = details.type === 'suite';
    if (!suite) {
      const category = counted(data, passed);
      const told = category === 'failed' || category === 'cancelled';
      this.#emit({ event: 'report', id: test, when: 'call', category, seconds: details.duration_ms / 1000 || 0,
        ...(told ? this.#failure(data, error) : {}) });
      this.done += 1;
    } else if (!passed && error?.failureType !== 'subtestsFailed') {
      this.#emit({ event: 'report', id: test, when: 'setup', ...this.#failure(data, error) });
    }
    this.#emit({ event: suite ? 'left' : 'finished', id: test });
    return suite ? '' : test;
  }

  #failure(data, error) {
    if (error?.failureType === 'subtestsFailed') return {}; // what failed in it is told
    const cause = error?.cause ?? error;
    const stack = String(cause?.stack ?? cause ?? '').replace(OTHERS, '');
    const [file, line] = place(stack, data);
    const message = String(cause?.message ?? cause ?? error?.message ?? 'failed');
    this.#failed += 1;
    if (this.#failed > FULL) return { file, line, message: cut(message, MESSAGE) };
    const printed = this.#printed.get(data.file) ?? '';
    return { file, line, message: cut(message, MESSAGE), trace: cut(stack, TRACE), stdout: cut(printed, OUTPUT) };
  }

  #emit(record) {
    const data = Buffer.from(`${json(record)}\n`);
    for (let sent = 0; sent < data.length; ) sent += writeSync(this.#events, data, sent);
  }
}

const id = (file, path) => `${relative(file)}::${path.join(BETWEEN)}`;

function counted({ skip, todo, details }, passed) {
  if (skip !== undefined) return 'skipped';
  if (todo !== undefined) return 'todo';
  if (CANCELLED.has(details.error?.failureType)) return 'cancelled';
  return passed ? 'passed' : 'failed';
}

export default async function* report(source) {
  const recorder = new Recorder(process.env.ASTRO_EVENTS);
  for await (const { type, data } of source) {
    if (type === 'test:dequeue') recorder.begun(data);
    else if (type === 'test:start') recorder.started(data);
    else if (type === 'test:stdout' || type === 'test:stderr') recorder.printed(data);
    else if (type === 'test:coverage') (await import('./js_covered.cjs')).default.ofNode(data.summary);
    else if (type === 'test:pass' || type === 'test:fail') {
      const test = recorder.ended(data, type === 'test:pass');
      if (test) yield `\x1e${json({ done: recorder.done, total: 0, id: cut(test, MESSAGE) })}\n`;
    }
  }
  recorder.close();
}
