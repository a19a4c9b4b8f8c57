// A stored table is UnixFS that the reference implementation reads: the content, its folders, and
// every part, which is one Parquet file.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import test from 'node:test'
import { exporter, recursive } from 'ipfs-unixfs-exporter'
import { Lake, numbers, read } from './lake.mjs'

/** CSV with a column that does not compress, so that parts have many leaves. */
function csv(rows) {
  const lines = ['id,noise']
  for (let row = 0; row < rows; row++) {
    lines.push(`${row},${createHash('sha256').update(String(row)).digest('hex')}`)
  }
  return `${lines.join('\n')}\n`
}

for (const [rows, parts] of [[10, 1], [200_000, 1], [900_000, 2]]) {
  test(`a table of ${rows} rows is read by the reference`, async (context) => {
    const lake = new Lake(context)
    const stored = lake.json('store', lake.file('t.csv', csv(rows)), '--name', 't')
    assert.equal(stored.rows, rows)
    const shown = lake.json('show', 't')
    assert.ok(shown.parts.length >= parts)
    const { roots, blocks } = await lake.exported('t')
    assert.deepEqual(roots, [stored.cid, stored.commit])
    const files = []
    for await (const entry of recursive(stored.cid, blocks)) {
      // The walk says what there is, the exporter what it is.
      const { type } = await exporter(entry.cid, blocks)
      if (type === 'file' || type === 'raw') {
        files.push(String(entry.cid))
      }
    }
    assert.deepEqual(files, shown.parts.map((part) => part.cid))
    for (const part of shown.parts) {
      const bytes = lake.run('cat', part.cid)
      assert.equal(bytes.length, part.bytes)
      assert.equal(bytes.subarray(0, 4).toString(), 'PAR1')
      assert.ok((await read(part.cid, blocks)).equals(bytes))
      assert.equal(Number((await exporter(part.cid, blocks)).size), part.bytes)
      const next = numbers(part.bytes)
      for (let round = 0; round < 20; round++) {
        const offset = next(bytes.length)
        const length = next(bytes.length - offset) + 1
        const piece = await read(part.cid, blocks, { offset, length })
        assert.ok(piece.equals(bytes.subarray(offset, offset + length)), `${length} at ${offset}`)
      }
    }
  })
}
