// Files cut at given places: the roots in `fixtures/unixfs/cut-lists.txt`, which the tests of the
// block crate build as well, are those of the reference; and files that the reference cut at random
// places come in and are read back.
//
// Run as a program with the path of that file it writes it anew.

import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import test from 'node:test'
import { fileURLToPath } from 'node:url'
import { CarWriter } from '@ipld/car'
import { MemoryBlockstore } from 'blockstore-core'
import { importBytes } from 'ipfs-unixfs-importer'
import { Lake, noise, numbers } from './lake.mjs'

const HEAD = `# Roots of UnixFS files with given leaves, as npm ipfs-unixfs-importer computes them for
# the profile unixfs-v1-2025 with a chunker that cuts at the places listed.
#
# SEED LENGTH ROOT CUT… : the content is the SHA-256 of "SEED:0", of "SEED:32" and so on,
# LENGTH bytes of it.
`

/** A blockstore that also keeps what was put into it, by the CIDs that it was put under. */
class Recorder extends MemoryBlockstore {
  kept = new Map()

  async put(cid, bytes, options) {
    this.kept.set(String(cid), { cid, bytes })
    return super.put(cid, bytes, options)
  }
}

/** Imports `bytes`, cut at `cuts`; returns the root and all blocks. */
async function cutAt(bytes, cuts) {
  async function* chunker() {
    let start = 0
    for (const end of [...cuts, bytes.length]) {
      yield bytes.subarray(start, end)
      start = end
    }
  }
  const blocks = new Recorder()
  const { cid } = await importBytes(bytes, blocks, { profile: 'unixfs-v1-2025', chunker })
  return { root: cid, blocks: [...blocks.kept.values()] }
}

/** `count` different places inside a file of `length` bytes, in order. */
function places(next, count, length) {
  const cuts = new Set()
  while (cuts.size < count) {
    cuts.add(next(length - 1) + 1)
  }
  return [...cuts].sort((a, b) => a - b)
}

function parse(text) {
  const lines = text.split('\n').filter((line) => line && !line.startsWith('#'))
  return lines.map((line) => {
    const [seed, length, root, ...cuts] = line.split(' ')
    return { seed, length: Number(length), root, cuts: cuts.map(Number) }
  })
}

async function generate() {
  const next = numbers(2025)
  const lines = []
  for (const count of [0, 1, 2, 9, 100, 1022, 1023, 1024, 1500, 2047, 2048]) {
    const length = Math.max(2, count * 3 + next(4 * count + 100_000))
    const cuts = places(next, count, length)
    const { root } = await cutAt(noise(length, count), cuts)
    lines.push([count, length, root, ...cuts].join(' '))
  }
  return `${HEAD}${lines.join('\n')}\n`
}

async function archive(root, blocks) {
  const { writer, out } = CarWriter.create([root])
  const pieces = []
  const collected = (async () => {
    for await (const piece of out) {
      pieces.push(piece)
    }
  })()
  for (const block of blocks) {
    await writer.put(block)
  }
  await writer.close()
  await collected
  return Buffer.concat(pieces)
}

if (process.argv[2]) {
  writeFileSync(process.argv[2], await generate())
} else {
  const fixture = process.env.CIDLAKE_FIXTURES
    ? `${process.env.CIDLAKE_FIXTURES}/unixfs/cut-lists.txt`
    : fileURLToPath(new URL('../../../fixtures/unixfs/cut-lists.txt', import.meta.url))
  for (const { seed, length, root, cuts } of parse(readFileSync(fixture, 'utf8'))) {
    test(`${cuts.length} cuts of ${length} bytes have the root of the fixture`, async () => {
      const computed = await cutAt(noise(length, seed), cuts)
      assert.equal(String(computed.root), root)
    })
  }

  for (const count of [1, 40, 1500]) {
    test(`a file that the reference cut at ${count} places comes in`, async (context) => {
      const lake = new Lake(context)
      const next = numbers(count)
      const bytes = noise(300_000 + next(700_000), count)
      const { root, blocks } = await cutAt(bytes, places(next, count, bytes.length))
      const imported = lake.json('import', lake.file('in.car', await archive(root, blocks)))
      assert.deepEqual(imported.roots, [String(root)])
      assert.equal(imported.blocks, blocks.length)
      assert.ok(lake.run('cat', String(root)).equals(bytes))
    })
  }

  test('a file of another profile comes in', async (context) => {
    const lake = new Lake(context)
    const bytes = noise(3_000_000, 5)
    const store = new Recorder()
    const { cid } = await importBytes(bytes, store, { profile: 'unixfs-v0-2015' })
    const blocks = [...store.kept.values()]
    const imported = lake.json('import', lake.file('in.car', await archive(cid, blocks)))
    assert.deepEqual(imported.roots, [String(cid)])
    assert.ok(lake.run('cat', String(cid)).equals(bytes))
  })
}
