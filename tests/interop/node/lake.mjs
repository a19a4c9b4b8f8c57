// The `cidlake` binary as a user runs it, a lake in a folder of its own, and the bytes of tests.

import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CarReader } from '@ipld/car'
import { MemoryBlockstore } from 'blockstore-core'
import { exporter } from 'ipfs-unixfs-exporter'

const OUTPUT_BYTES_MAX = 1 << 28

export class Lake {
  /** Makes an empty lake that is removed when the test `context` ends. */
  constructor(context) {
    this.folder = mkdtempSync(join(tmpdir(), 'cidlake-interop-'))
    context.after(() => rmSync(this.folder, { recursive: true, force: true }))
    const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('CIDLAKE_'))
    this.environment = {
      ...Object.fromEntries(kept),
      CIDLAKE_KEY_FILE: join(this.folder, 'key'),
      XDG_CONFIG_HOME: join(this.folder, 'config')
    }
  }

  /** Runs one command, which must succeed; returns the bytes that it printed. */
  run(...args) {
    const lake = ['--lake', join(this.folder, 'lake')]
    return execFileSync(process.env.CIDLAKE_BIN, [...lake, ...args], {
      cwd: this.folder,
      env: this.environment,
      maxBuffer: OUTPUT_BYTES_MAX
    })
  }

  json(...args) {
    return JSON.parse(this.run(...args).toString())
  }

  /** Writes a file beside the lake and returns its path. */
  file(name, bytes) {
    const path = join(this.folder, name)
    writeFileSync(path, bytes)
    return path
  }

  /** Exports a reference and reads the archive with the reference implementation. */
  async exported(reference) {
    this.run('export', reference, '-o', 'x.car')
    const reader = await CarReader.fromBytes(readFileSync(join(this.folder, 'x.car')))
    const blocks = new MemoryBlockstore()
    for await (const { cid, bytes } of reader.blocks()) {
      await blocks.put(cid, bytes)
    }
    return { roots: (await reader.getRoots()).map(String), blocks }
  }
}

/** Numbers that a seed determines: a xorshift generator over 32 bits. */
export function numbers(seed) {
  let state = (seed * 2654435761 + 1) >>> 0
  return (below) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    state >>>= 0
    return state % below
  }
}

/** Bytes that do not compress and that a seed determines. */
export function noise(length, seed = 0) {
  const bytes = Buffer.alloc(length)
  for (let at = 0; at < length; at += 32) {
    createHash('sha256').update(`${seed}:${at}`).digest().copy(bytes, at)
  }
  return bytes
}

/** Reads a file, or `length` bytes of it from `offset` on, with the reference implementation. */
export async function read(cid, blocks, options = {}) {
  const entry = await exporter(cid, blocks)
  const pieces = []
  for await (const piece of entry.content(options)) {
    pieces.push(piece)
  }
  return Buffer.concat(pieces)
}
