// A sealed pack is a CARv2 that the reference implementation reads: its blocks are what their CIDs
// say, and the index that it carries leads to them.

import assert from 'node:assert/strict'
import { createCipheriv, createHash } from 'node:crypto'
import { createReadStream, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { CarIndexer, CarReader } from '@ipld/car'
import { CarBlockIterator } from '@ipld/car/iterator'

const MIB = 1 << 20
const PAYLOAD_OFFSET = 51
const SHA2_256 = 0x12
const FILLER = 'bafkqaaa'

const hash = (bytes) => createHash('sha256').update(bytes).digest()

/** Bytes of the head of a pack: where the payload ends and the index begins, 0 in an open one. */
function head(pack) {
  return { size: Number(pack.readBigUInt64LE(35)), index: Number(pack.readBigUInt64LE(43)) }
}

/** The index of a sealed pack as pairs of digest and offset in the file, written from its spec. */
function entries(pack) {
  let at = head(pack).index
  assert.equal(pack.readUInt16LE(at), 0x0881, 'the varint of MultihashIndexSorted')
  at += 2
  const found = []
  const codes = pack.readInt32LE(at)
  at += 4
  for (let code = 0; code < codes; code++) {
    assert.equal(pack.readBigUInt64LE(at), BigInt(SHA2_256))
    const widths = pack.readInt32LE(at + 8)
    at += 12
    for (let width = 0; width < widths; width++) {
      const bytes = pack.readUInt32LE(at)
      const end = at + 12 + Number(pack.readBigUInt64LE(at + 4))
      for (at += 12; at < end; at += bytes) {
        const digest = pack.subarray(at, at + bytes - 8)
        const offset = Number(pack.readBigUInt64LE(at + bytes - 8)) + PAYLOAD_OFFSET
        found.push([digest.toString('hex'), offset])
      }
    }
  }
  assert.equal(at, pack.length, 'nothing stands behind the index')
  return found
}

/** Reads a sealed pack in every way that the reference has; returns its blocks. */
async function check(path) {
  const blocks = []
  for await (const { cid, bytes } of await CarBlockIterator.fromIterable(createReadStream(path))) {
    assert.ok(hash(bytes).equals(cid.multihash.digest), `${cid} is not what it says`)
    blocks.push({ cid, bytes })
  }
  const pack = readFileSync(path)
  const offsets = []
  for await (const { cid, offset } of await CarIndexer.fromBytes(pack)) {
    offsets.push([Buffer.from(cid.multihash.digest).toString('hex'), offset])
  }
  assert.equal(offsets.length, blocks.length)
  assert.deepEqual(entries(pack), offsets.sort(([one], [other]) => (one < other ? -1 : 1)))
  return blocks
}

test('the golden sealed pack is read by the reference', async () => {
  const path = join(process.env.CIDLAKE_FIXTURES, 'store', 'pack-v1.car')
  const reader = await CarReader.fromBytes(readFileSync(path))
  assert.deepEqual((await reader.getRoots()).map(String), [FILLER])
  const blocks = await check(path)
  const sizes = blocks.map(({ bytes }) => bytes.length)
  assert.deepEqual(sizes, [700, 4, 300, 0, 800])
  for (const { cid, bytes } of blocks) {
    assert.ok(Buffer.from(bytes).equals((await reader.get(cid)).bytes))
  }
})

test('a pack that the program has sealed is read by the reference', async (context) => {
  const { Lake } = await import('./lake.mjs')
  const lake = new Lake(context)
  // A pack is sealed when it has 256 MiB and there is more, and one of 8 MiB when it is left.
  const stream = createCipheriv('aes-128-ctr', Buffer.alloc(16, 1), Buffer.alloc(16))
  const content = stream.update(Buffer.alloc(270 * MIB))
  lake.run('add', lake.file('large.bin', content))
  const folder = join(lake.folder, 'lake', 'packs')
  const paths = readdirSync(folder).map((name) => join(folder, name))
  const sealed = paths.filter((path) => path.endsWith('.car') && head(readFileSync(path)).size > 0)
  assert.equal(sealed.length, 2)
  const blocks = [...(await check(sealed[0])), ...(await check(sealed[1]))]
  const leaves = new Set()
  for (let at = 0; at < content.length; at += MIB) {
    leaves.add(hash(content.subarray(at, at + MIB)).toString('hex'))
  }
  const stored = blocks.filter(({ bytes }) => leaves.has(hash(bytes).toString('hex')))
  assert.equal(stored.length, leaves.size, `of ${blocks.length} blocks`)
})
