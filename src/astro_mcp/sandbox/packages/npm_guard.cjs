// Loaded by NODE_OPTIONS before npm itself, which resolves and fetches here and does nothing else: it starts no process
// (git is one, and every script), follows no address in a package's dependencies, and opens no tarball.
'use strict'

const children = require('node:child_process')
const { readFileSync } = require('node:fs')
const Module = require('node:module')

const ADDRESS = 'astro-mcp: a package names an address in place of a name'
const REFUSED = 'astro-mcp: npm starts no process and opens no package on this machine'
const OTHER = 'astro-mcp: other bytes came for'
const ELSEWHERE = 'astro-mcp: this npm keeps its parts elsewhere'
const REGISTRY = new Set(['version', 'range', 'tag', 'alias'])

function refuse () {
  throw new Error(REFUSED)
}

for (const name of ['spawn', 'spawnSync', 'exec', 'execSync', 'execFile', 'execFileSync', 'fork']) {
  children[name] = refuse
}
Module.syncBuiltinESMExports()

// Where the lock found name@version, and its hash: with both npm asks for nothing else. A lock of a project's packages has
// no addresses, as its own are not followed: npm asks its registry then.
let packages
function locked (spec) {
  packages ??= new Map(Object.entries(JSON.parse(readFileSync('package-lock.json', 'utf8')).packages).map(([at, entry]) => {
    const name = entry.name ?? at.slice(at.lastIndexOf('node_modules/') + 'node_modules/'.length)
    return [`${name}@${entry.version}`, { resolved: entry.resolved, integrity: entry.integrity }]
  }))
  return packages.get(spec) ?? refuse()
}

// Resolving asks for parsed names; text is name@version, and of those `npm cache add` needs the tarball alone.
function boundPacote (pacote) {
  const { manifest, tarball: { stream } } = pacote
  pacote.extract = async () => refuse()
  pacote.tarball.stream = async (spec, handler, options) => {
    try {
      return await stream(spec, handler, { ...options, ...locked(spec) })
    } catch (error) {
      if (error.code === 'EINTEGRITY') error.message = `${OTHER} ${spec}`
      throw error
    }
  }
  pacote.manifest = async (spec, options) => {
    if (typeof spec === 'string') return locked(spec)
    if (!REGISTRY.has(spec.type)) throw new Error(`${ADDRESS}: ${spec.name}`)
    return manifest(spec, options)
  }
}

// For a lock alone npm unpacks whatever bundles its dependencies, to look inside; for an installation it does not.
function boundArborist ({ prototype }) {
  const { buildIdealTree } = prototype
  prototype.buildIdealTree = function (options) {
    return buildIdealTree.call(this, { ...options, complete: false })
  }
}

const bounds = { pacote: boundPacote, '@npmcli/arborist': boundArborist }
const bound = new Set()
const load = Module._load
Module._load = function (request, ...rest) {
  const found = load.call(this, request, ...rest)
  if (Object.hasOwn(bounds, request) && !bound.has(found)) {
    bound.add(found)
    bounds[request](found)
  }
  return found
}

process.on('exit', (code) => {
  if (code === 0 && !bound.size) {
    process.stderr.write(`${ELSEWHERE}\n`)
    process.exitCode = 70
  }
})
