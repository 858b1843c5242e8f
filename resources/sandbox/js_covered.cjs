// Tells which lines of JavaScript ran, in the lines that pytest_covered.py writes: as a report of istanbul's, which jest
// and vitest load by its path, and by `ofNode` for node:test. What is counted is the runner's own rule: the lines that
// statements begin in for jest and vitest, every line that holds code for node.
//
// Paths and lines are those of the sources, where the runner has followed source maps. Runs inside the sandbox; whoever
// reads what it writes takes it for hostile.
'use strict';

const { mkdirSync, readdirSync, readFileSync, writeFileSync } = require('node:fs');
const { join, sep } = require('node:path');

const TOP = `${join(__dirname, '..')}${sep}`;
const OUT = join(__dirname, 'out');
const NOT_THEIRS = /^\.astro\/|(^|\/)node_modules\//;
const MOST = 3_000; // files that no test loaded of which node's lines are told
const LONGEST = 2_000_000; // characters of a file that no test loaded
const COMMENT = /^\{?\/\*/;
// What node takes for a test file: that none of it was loaded says nothing.
const TESTS = /(^|\/)test\/|(^|\/)(test|test-[^/]+|[^/]+[.\-_]test)\.[cm]?js$/;

// By line, from 1, whether it holds more than blanks, brackets and comments. What stands in a template may be taken for
// a comment: no statement begins in it.
function code(text) {
  const found = [false];
  let comment = false;
  for (const line of text.split('\n')) {
    let rest = line.trim();
    if (!comment && COMMENT.test(rest)) comment = true;
    if (comment) {
      const end = rest.indexOf('*/');
      comment = end < 0;
      rest = comment ? '' : rest.slice(end + 2).trim();
    }
    found.push(!rest.startsWith('//') && /[\w$'"]/.test(rest));
  }
  return found;
}

function ranges(lines) {
  const found = [];
  for (const line of [...lines].sort((one, other) => one - other)) {
    if (found.length && found.at(-1)[1] === line - 1) found.at(-1)[1] = line;
    else found.push([line, line]);
  }
  return found;
}

// First and last of lines that belong to a statement that begins in another, and where it begins. Of nested statements
// it is the innermost.
function spans(statements, holds) {
  const places = Object.values(statements).map(({ start, end }) => [start.line, end.line ?? start.line]);
  const begins = new Set(places.map(([first]) => first));
  const owner = new Map();
  for (const [first, last] of places.sort(([a, b], [c, d]) => a - c || d - b)) {
    for (let line = first + 1; line <= Math.min(last, holds.length - 1); line += 1) owner.set(line, first);
  }
  const found = [];
  for (const line of [...owner.keys()].filter((one) => holds[one] && !begins.has(one)).sort((a, b) => a - b)) {
    const before = found.at(-1);
    if (before && before[1] === line - 1 && before[2] === owner.get(line)) before[1] = line;
    else found.push([line, line, owner.get(line)]);
  }
  return found;
}

const below = (path) => (path.startsWith(TOP) ? path.slice(TOP.length).split(sep).join('/') : '');

function source(path) {
  try {
    return readFileSync(join(TOP, path), 'utf8');
  } catch {
    return ''; // a source that is named by a map alone
  }
}

function record(path, lines, of = []) {
  const ran = [...lines].filter(([, count]) => count > 0).map(([line]) => line);
  return { kind: 'file', path, statements: ranges(new Map(lines).keys()), ran: ranges(ran), spans: of };
}

// All of it at once, so that what there is is whole.
function write(records) {
  mkdirSync(OUT, { recursive: true });
  const text = [...records, { kind: 'end' }].map((each) => `${JSON.stringify(each)}\n`).join('');
  writeFileSync(join(OUT, `covered-${process.pid}.jsonl`), text);
}

module.exports = class Report {
  #records = [];

  execute(context) {
    context.getTree('flat').visit(this, context);
    write(this.#records);
  }

  onDetail(node) {
    const file = node.getFileCoverage();
    const path = below(file.path);
    if (!path || NOT_THEIRS.test(path)) return;
    const lines = Object.entries(file.getLineCoverage()).map(([line, count]) => [Number(line), count]);
    this.#records.push(record(path, lines, spans(file.statementMap, code(source(path)))));
    // The runners hold the same data against the project's thresholds, by which a run fails in which every test passed,
    // and write it into their own reports, which leave the sandbox as well.
    for (const part of ['statementMap', 's', 'fnMap', 'f', 'branchMap', 'b']) file.data[part] = {};
  }
};

// What the event `test:coverage` tells, and of files that no test loaded that nothing of them ran.
module.exports.ofNode = ({ files }) => {
  const records = [];
  const loaded = new Set();
  for (const file of files) {
    const path = below(file.path);
    if (!path || NOT_THEIRS.test(path)) continue;
    loaded.add(path);
    const holds = code(source(path));
    records.push(record(path, file.lines.filter(({ line }) => holds[line]).map(({ line, count }) => [line, count])));
  }
  for (const path of others(loaded)) {
    const text = source(path);
    if (text.length > LONGEST) continue;
    records.push(record(path, [...code(text).entries()].filter(([, holds]) => holds).map(([line]) => [line, 0])));
  }
  write(records);
};

function entries(folder) {
  try {
    return readdirSync(join(TOP, folder), { withFileTypes: true });
  } catch {
    return []; // a test took it away
  }
}

function others(loaded) {
  const found = [];
  const waiting = [''];
  while (waiting.length && found.length < MOST) {
    const folder = waiting.pop();
    for (const entry of entries(folder)) {
      const path = folder + entry.name;
      if (entry.isDirectory() && !entry.name.startsWith('.') && entry.name !== 'node_modules') waiting.push(`${path}/`);
      else if (entry.isFile() && /\.[cm]?js$/.test(path) && !TESTS.test(path) && !loaded.has(path)) found.push(path);
    }
  }
  return found.slice(0, MOST);
}
