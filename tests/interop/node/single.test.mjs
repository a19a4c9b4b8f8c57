// A table of several parts as one file over the same leaves, and the parts themselves: the
// reference implementation returns what `cidlake cat` does, whole and by ranges, also such that
// begin, end or lie across where a leaf or a part does.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import test from 'node:test'
import { exporter } from 'ipfs-unixfs-exporter'
import { Lake, numbers, read } from './lake.mjs'

/** CSV with a column that does not compress, so that parts have many leaves. */
function csv(rows) {
  const lines = ['id,noise']
  for (let row = 0; row < rows; row++) {
    lines.push(`${row},${createHash('sha256').update(String(row)).digest('hex')}`)
  }
  return `${lines.join('\n')}\n`
}

/** The leaves of a file in order, each with its CID and where it begins. */
async function leavesOf(cid, blocks, start = 0) {
  const entry = await exporter(cid, blocks)
  if (entry.type === 'raw') {
    return [{ cid: String(entry.cid), start, bytes: Number(entry.size) }]
  }
  const leaves = []
  let at = start
  for (const [index, link] of entry.node.Links.entries()) {
    leaves.push(...(await leavesOf(link.Hash, blocks, at)))
    at += Number(entry.unixfs.blockSizes[index])
  }
  assert.equal(at - start, Number(entry.size), 'the sizes of the pieces are the size of the whole')
  return leaves
}

/** Ranges around each of `borders`, and between some that lie far apart, as offset and length. */
function ranges(borders, length) {
  const wanted = []
  for (const [index, border] of borders.entries()) {
    wanted.push([border - 1, 2], [border, 1], [border - 1, 1], [border - 700, 1500])
    const next = borders[index + 1] ?? length
    wanted.push([border, next - border], [border - 1, next - border + 2])
  }
  const random = numbers(borders.length)
  for (let round = 0; round < 40; round++) {
    const offset = random(length)
    wanted.push([offset, random(length - offset) + 1])
  }
  wanted.push([0, 1], [0, length], [length - 1, 1])
  return wanted.map(([offset, count]) => {
    const start = Math.max(0, offset)
    return [start, Math.min(count, length - start)]
  })
}

/** Compares every range with `whole`; those at `asked` borders also with what `cat` gives. */
async function compare(lake, cid, blocks, whole, borders, asked) {
  for (const [offset, length] of ranges(borders, whole.length)) {
    const piece = await read(cid, blocks, { offset, length })
    const want = whole.subarray(offset, offset + length)
    assert.ok(piece.equals(want), `${length} at ${offset}`)
  }
  for (const border of asked) {
    const [offset, length] = [Math.max(0, border - 10), 20]
    const want = whole.subarray(offset, offset + length)
    const sizes = ['--offset', String(offset), '--length', String(length)]
    assert.ok(lake.run('cat', cid, ...sizes).equals(want), `cat, ${length} at ${offset}`)
    const range = ['--range', `${offset}-${offset + length - 1}`]
    assert.ok(lake.run('cat', cid, ...range).equals(want), `cat, ${length} at ${offset}`)
  }
}

test('the single file and the parts are read by the reference', async (context) => {
  const lake = new Lake(context)
  lake.json('store', lake.file('t.csv', csv(900_000)), '--name', 't')
  const { parts } = lake.json('show', 't')
  const file = lake.json('show', 't', '--as-file')
  assert.ok(parts.length > 1)

  const { roots, blocks } = await lake.exported(file.cid)
  assert.deepEqual(roots, [file.cid])
  const whole = lake.run('cat', file.cid)
  assert.equal(whole.length, file.bytes)
  assert.equal(whole.subarray(0, 4).toString(), 'PAR1')
  assert.equal(whole.subarray(-4).toString(), 'PAR1')
  assert.equal(Number((await exporter(file.cid, blocks)).size), file.bytes)
  assert.ok((await read(file.cid, blocks)).equals(whole))

  const leaves = await leavesOf(file.cid, blocks)
  assert.ok(leaves.every((leaf) => leaf.bytes > 0 && leaf.bytes <= 1 << 20))
  const { blocks: ofParts } = await lake.exported('t')
  const starts = []
  for (const part of parts) {
    const bytes = lake.run('cat', part.cid)
    assert.ok((await read(part.cid, ofParts)).equals(bytes))
    const own = await leavesOf(part.cid, ofParts)
    const shared = new Set(own.map((leaf) => leaf.cid))
    const here = leaves.filter((leaf) => shared.has(leaf.cid))
    const among = here.reduce((sum, leaf) => sum + leaf.bytes, 0)
    assert.ok(among > part.bytes * 0.99, 'the leaves of the part are those of the file')
    // The first leaf of every part is the magic, so a part begins in the file behind it.
    starts.push(here.find((leaf) => leaf.bytes > 4).start)
    const borders = own.slice(1).map((leaf) => leaf.start)
    await compare(lake, part.cid, ofParts, bytes, borders, borders.slice(0, 2))
  }
  const borders = leaves.slice(1).map((leaf) => leaf.start)
  assert.ok(starts.slice(1).every((start) => borders.includes(start)))
  await compare(lake, file.cid, blocks, whole, borders, starts.slice(1))
})
