// `cidlake add` names files and folders as the reference implementation of UnixFS does for the
// profile `unixfs-v1-2025`, and what it exports is read back by it, whole and by ranges.

import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { MemoryBlockstore } from 'blockstore-core'
import { importBytes, importer } from 'ipfs-unixfs-importer'
import { Lake, noise, numbers, read } from './lake.mjs'

const MIB = 1 << 20
const PROFILE = { profile: 'unixfs-v1-2025' }
const SIZES = [0, 1, 255, MIB - 1, MIB, MIB + 1, 2 * MIB, 3 * MIB + 7]

function randomSizes(count) {
  const next = numbers(7)
  return Array.from({ length: count }, () => next(next(2) ? 12 * MIB : 5000))
}

for (const size of [...SIZES, ...randomSizes(12)]) {
  test(`a file of ${size} bytes has the CID of the reference`, async (context) => {
    const lake = new Lake(context)
    const bytes = noise(size, size)
    const { cid } = await importBytes(bytes, new MemoryBlockstore(), PROFILE)
    const added = lake.json('add', lake.file('file.bin', bytes))
    assert.equal(added.cid, String(cid))
    assert.equal(added.bytes, size)
    assert.ok(lake.run('cat', added.cid).equals(bytes))
  })
}

test('an exported file is read by the reference, whole and by random ranges', async (context) => {
  const lake = new Lake(context)
  const bytes = noise(5 * MIB + 321)
  const { cid } = lake.json('add', lake.file('file.bin', bytes))
  const { roots, blocks } = await lake.exported(cid)
  assert.deepEqual(roots, [cid])
  assert.ok((await read(cid, blocks)).equals(bytes))
  const next = numbers(11)
  for (let round = 0; round < 60; round++) {
    const offset = next(bytes.length)
    const length = next(Math.min(bytes.length - offset, 2 * MIB)) + 1
    const piece = await read(cid, blocks, { offset, length })
    assert.ok(piece.equals(bytes.subarray(offset, offset + length)), `${length} at ${offset}`)
  }
})

/** The root of a folder whose files are given by path, as the reference imports it. */
async function referenceRoot(files) {
  const source = Object.entries(files).map(([path, content]) => ({ path: `root/${path}`, content }))
  let last
  for await (const entry of importer(source, new MemoryBlockstore(), PROFILE)) {
    last = entry
  }
  assert.equal(last.path, 'root')
  return String(last.cid)
}

function writeFolder(lake, files) {
  const root = join(lake.folder, 'root')
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(join(root, path, '..'), { recursive: true })
    writeFileSync(join(root, path), content)
  }
  return root
}

const FOLDERS = {
  'one file': { 'a.txt': Buffer.from('a') },
  'folders in folders': {
    'a.txt': noise(10),
    'b/c.bin': noise(2 * MIB, 1),
    'b/d/e': noise(0),
    'b/d/ü 🦆': noise(3, 2),
    Z: noise(5, 3),
    'a-b': noise(5, 4)
  },
  'a folder large enough to be sharded': Object.fromEntries(
    Array.from({ length: 6000 }, (_, index) => [`file number ${index}.txt`, Buffer.from('x')])
  )
}

for (const [name, files] of Object.entries(FOLDERS)) {
  test(`${name}: the same root as the reference`, async (context) => {
    const lake = new Lake(context)
    const { cid } = lake.json('add', writeFolder(lake, files))
    assert.equal(cid, await referenceRoot(files))
    const { blocks } = await lake.exported(cid)
    for (const [path, content] of Object.entries(files).slice(0, 20)) {
      assert.ok((await read(`${cid}/${path}`, blocks)).equals(content), path)
    }
    const names = new Set(Object.keys(files).map((path) => path.split('/')[0]))
    assert.equal(lake.json('ls', cid).length, names.size)
  })
}
