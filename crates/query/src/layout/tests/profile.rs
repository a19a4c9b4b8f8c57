//! What the profile promises: where rows, pages and leaves are cut, that an edit stays where it
//! is, that a table is one file over the same leaves, and what its logical hash says.

use std::collections::BTreeSet;

use cidlake_block::unixfs::open_file;
use cidlake_block::{Block, Cid};
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::file::serialized_reader::ReadOptionsBuilder;

use super::*;
use crate::layout::{LaidPart, RowsHash, single_file};

/// Rows with a counter, noise, a few distinct words, long text and floats; 8,000 logical bytes
/// are some 80 of them.
pub(super) fn table(rows: std::ops::Range<u64>) -> RecordBatch {
    let noise = |n: u64| (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16;
    let numbers: ArrayRef = Arc::new(UInt64Array::from_iter_values(rows.clone().map(noise)));
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.clone().map(|n| n as i64)));
    let words = rows.clone().map(|n| ["red", "green", "blue"][(noise(n) % 3) as usize]);
    let words: ArrayRef = Arc::new(StringArray::from_iter_values(words));
    let text = rows.clone().map(|n| format!("row {} says {}", n, noise(n) % 100_000));
    let text: ArrayRef = Arc::new(StringArray::from_iter_values(text));
    let floats = rows.map(|n| (n % 11 != 0).then_some((noise(n) % 1000) as f64 / 8.0));
    let floats: ArrayRef = Arc::new(Float64Array::from_iter(floats));
    batch_of(vec![
        ("id", ids),
        ("noise", numbers),
        ("word", words),
        ("text", text),
        ("float", floats),
    ])
}

fn joined(pieces: &[RecordBatch]) -> RecordBatch {
    arrow::compute::concat_batches(&pieces[0].schema(), pieces).unwrap()
}

fn cut(batch: &RecordBatch, rule: CutRule, bytes: u64) -> Vec<RowGroup> {
    let mut cutter = RowGroups::small(&batch.schema(), rule, bytes).unwrap();
    let mut groups = cutter.push(batch.clone()).unwrap();
    groups.extend(cutter.finish().unwrap());
    groups
}

fn parts_of(groups: &[RowGroup]) -> Vec<EncodedPart> {
    groups.iter().map(|group| encode_part(group, 2).unwrap()).collect()
}

#[test]
fn row_groups_keep_to_their_bounds_and_their_average() {
    let rows = 40_000;
    let groups = cut(&table(0..rows), CutRule::default(), 40_000);
    let sizes: Vec<u64> = groups
        .iter()
        .map(|group| {
            let sizes = row_sizes(&group.rows, &[0, 1, 2, 3, 4]);
            (0..group.rows.num_rows()).map(|row| sizes.of_row(row)).sum()
        })
        .collect();
    let (_, ended) = sizes.split_last().unwrap();
    assert!(ended.iter().all(|size| (5_000..=160_100).contains(size)), "{sizes:?}");
    let mean = ended.iter().sum::<u64>() / ended.len() as u64;
    assert!((25_000..60_000).contains(&mean), "{mean} over {}", ended.len());
    assert_eq!(groups.iter().map(|group| group.rows.num_rows()).sum::<usize>(), 40_000);
}

#[test]
fn an_edit_changes_the_row_groups_that_it_touches() {
    let old = table(0..20_000);
    let groups = |batch: &RecordBatch| -> Vec<RowsHash> {
        cut(batch, CutRule::default(), 40_000).iter().map(|group| group.hash).collect()
    };
    let before = groups(&old);
    let inserted = joined(&[old.slice(0, 9_000), table(90_000..90_100), old.slice(9_000, 11_000)]);
    let deleted = joined(&[old.slice(0, 9_000), old.slice(9_200, 10_800)]);
    let appended = joined(&[old.clone(), table(90_000..90_100)]);
    for (what, edited) in [("insert", inserted), ("delete", deleted), ("append", appended)] {
        let after = groups(&edited);
        let new = after.iter().filter(|hash| !before.contains(hash)).count();
        assert!(new <= 4 && after.len() > 20, "{what}: {new} of {}", after.len());
    }
}

#[test]
fn an_update_of_one_column_moves_only_the_ends_that_are_its_own() {
    let old = table(0..40_000);
    let ends = |batch: &RecordBatch| -> BTreeSet<usize> {
        let groups = cut(batch, CutRule::default(), 40_000);
        groups
            .iter()
            .scan(0, |end, group| {
                *end += group.rows.num_rows();
                Some(*end)
            })
            .collect()
    };
    let before = ends(&old);
    for updated in 0..old.num_columns() {
        // Every value of the column is another, in all rows.
        let mut columns = old.columns().to_vec();
        columns[updated] = Arc::clone(table(100_000..140_000).column(updated));
        let after = ends(&RecordBatch::try_new(old.schema(), columns).unwrap());
        let kept = before.intersection(&after).count();
        assert!(kept * 5 > before.len() * 2, "column {updated}: {kept} of {}", before.len());
        assert!(before.len() > 20, "{before:?}");
    }
}

#[test]
fn cut_columns_decide_and_others_do_not() {
    let old = table(0..20_000);
    let lengths = |batch: &RecordBatch, columns: &[&str]| -> Vec<usize> {
        let columns = columns.iter().map(ToString::to_string).collect();
        let rule = CutRule { columns, ..CutRule::default() };
        cut(batch, rule, 40_000).iter().map(|group| group.rows.num_rows()).collect()
    };
    let wider = {
        let mut columns: Vec<(&str, ArrayRef)> = Vec::new();
        for (field, column) in old.schema_ref().fields().iter().zip(old.columns()) {
            let name =
                ["id", "noise", "word", "text", "float"].into_iter().find(|n| n == field.name());
            columns.push((name.unwrap(), Arc::clone(column)));
        }
        columns.push(("flag", Arc::new(BooleanArray::from(vec![true; 20_000]))));
        batch_of(columns)
    };
    let by_all = lengths(&wider, &[]);
    let inherited = lengths(&wider, &["noise", "id"]);
    assert_ne!(by_all, inherited);
    let old_columns = ["id", "noise", "word", "text", "float"];
    assert_eq!(lengths(&wider, &old_columns), lengths(&old, &[]), "a column more moves nothing");
    assert_eq!(inherited, lengths(&wider, &["id", "noise"]), "the table's order counts");
    let missing = CutRule { columns: vec!["nosuch".into()], ..CutRule::default() };
    let error = RowGroups::new(&old.schema(), missing).unwrap_err();
    assert_eq!(error.kind(), QueryErrorKind::UnknownColumn);

    let given = CutRule { ends: vec![7, 5_000], ..CutRule::default() };
    let lengths: Vec<usize> =
        cut(&old, given.clone(), 400_000).iter().map(|group| group.rows.num_rows()).collect();
    assert_eq!(lengths[..2], [7, 4_993]);
    let bounded = cut(&old, given, 40_000);
    assert!(bounded[1].rows.num_rows() < 4_993, "a given end does not lift the largest size");
    assert_eq!(lengths.iter().sum::<usize>(), 20_000);
}

#[test]
fn slices_and_hidden_values_leave_no_trace_in_pages() {
    // Lists of floats long enough for several pages, a dictionary that runs over, and nulls with
    // something behind them.
    let floats = |n: i32| Float32Array::from_iter_values((0..n).map(|n| (n % 7_919) as f32 * 0.37));
    let item = Arc::new(Field::new("item", DataType::Float32, true));
    let nulls = NullBuffer::from_iter((0..4_000).map(|list| list % 9 != 0));
    let hidden = ListArray::new(
        Arc::clone(&item),
        OffsetBuffer::from_lengths([50; 4_000]),
        Arc::new(floats(200_000)),
        Some(nulls.clone()),
    );
    let shown: Vec<u64> = (0..200_000).filter(|n| (n / 50) % 9 != 0).collect();
    let shown = arrow::compute::take(&floats(200_000), &UInt64Array::from(shown), None).unwrap();
    let lengths = (0..4_000).map(|list| if list % 9 == 0 { 0 } else { 50 });
    let clean = ListArray::new(item, OffsetBuffer::from_lengths(lengths), shown, Some(nulls));
    let words = (0..4_000_u64).map(|n| Some(format!("{:0>400}", n.wrapping_mul(0x9e37_79b9_7f4a))));
    let words: ArrayRef = Arc::new(StringArray::from_iter(words));
    let table = |list: &ListArray| {
        batch_of(vec![("list", Arc::new(list.clone())), ("words", Arc::clone(&words))])
    };
    let cid = |batches: &[RecordBatch]| {
        let groups = groups_of(batches, u64::MAX);
        encode_part(&groups[0], 1).unwrap().part.cid
    };
    let (hidden, clean) = (table(&hidden), table(&clean));
    let whole = cid(std::slice::from_ref(&clean));
    assert_eq!(whole, cid(std::slice::from_ref(&hidden)), "behind nulls");
    let pieces: Vec<RecordBatch> = (0..40).map(|n| hidden.slice(n * 100, 100)).collect();
    assert_eq!(whole, cid(&pieces), "in pieces");
    // Inside of something larger: offsets and buffers that begin elsewhere.
    let padded = joined(&[clean.slice(0, 77), clean.clone(), clean.slice(3, 500)]);
    assert_eq!(whole, cid(&[padded.slice(77, 4_000)]), "inside of something larger");
    // A buffer for nulls that has none.
    let valid = StringArray::new(
        words.as_string::<i32>().offsets().clone(),
        words.as_string::<i32>().values().clone(),
        Some(NullBuffer::new_valid(4_000)),
    );
    let roomy = batch_of(vec![("list", Arc::clone(clean.column(0))), ("words", Arc::new(valid))]);
    assert_eq!(whole, cid(&[roomy]), "room for nulls where there are none");
}

#[test]
fn odd_values_in_cut_columns_cut_all_the_same() {
    let odd = [f64::NAN, -f64::NAN, 0.0, -0.0, f64::INFINITY, 1.5];
    let values = (0..5_000).map(|n| (n % 7 != 0).then(|| odd[n % odd.len()]));
    let batch = batch_of(vec![("x", Arc::new(Float64Array::from_iter(values)))]);
    let groups = cut(&batch, CutRule::default(), 4_000);
    assert!(groups.len() > 1);
    assert_eq!(groups.iter().map(|group| group.rows.num_rows()).sum::<usize>(), 5_000);
    // Rows that are all alike are cut at the largest size, or at the least.
    let same = batch_of(vec![("x", Arc::new(Int64Array::from(vec![5; 5_000])))]);
    let lengths: BTreeSet<usize> =
        cut(&same, CutRule::default(), 4_000).iter().map(|group| group.rows.num_rows()).collect();
    assert!(lengths.len() <= 2, "{lengths:?}");
}

#[test]
fn leaves_are_runs_of_pages_and_an_edit_leaves_most_of_them() {
    let part = |batch: &RecordBatch| encode_part(&whole(batch), 2).unwrap();
    let old = table(0..200_000);
    let before = part(&old);
    let known: BTreeSet<Cid> = before.leaves.iter().map(|leaf| *leaf.cid()).collect();
    assert!(before.leaves.len() > 20, "{}", before.leaves.len());
    assert!(before.leaves.iter().all(|leaf| leaf.len() <= 1 << 20));
    assert_eq!(&before.leaves[0].data()[..], b"PAR1");
    let total: usize = before.leaves.iter().map(Block::len).sum();
    assert_eq!(total as u64, before.part.bytes);

    let edited =
        joined(&[old.slice(0, 100_000), table(900_000..900_010), old.slice(100_000, 100_000)]);
    let after = part(&edited);
    let new: usize =
        after.leaves.iter().filter(|leaf| !known.contains(leaf.cid())).map(Block::len).sum();
    assert!(new * 3 < total, "{new} of {total} bytes are new");
}

#[test]
fn a_table_is_one_file_over_the_same_leaves() {
    for rows in [0_u64, 50, 3_000, 120_000] {
        let old = table(0..rows);
        // Parts of one leaf and of many, and one without rows among them.
        let mut groups =
            cut(&old, CutRule::default(), if rows > 10_000 { 4_000_000 } else { 40_000 });
        groups.push(RowGroup { rows: groups[0].rows.slice(0, 0), hash: RowsHash::EMPTY });
        let parts = parts_of(&groups);
        let blocks = MemBlocks::default();
        for part in &parts {
            now(blocks.put_many(part.leaves.clone())).unwrap();
            now(blocks.put_many(part.nodes.clone())).unwrap();
        }
        let laid: Vec<LaidPart> = parts.iter().map(|part| laid(part, &blocks)).collect();
        let one = single_file(&laid).unwrap();
        let new: usize = one.blocks.iter().map(Block::len).sum();
        now(blocks.put_many(one.blocks.clone())).unwrap();
        let file = now(open_file(&blocks, &one.root)).unwrap();
        assert_eq!(file.len(), one.bytes);
        let bytes = now(file.read(&blocks, 0..file.len())).unwrap();
        assert!(new < 40_000, "{new} new bytes over {}", bytes.len());
        let (schema, batches) = read(bytes);
        assert_eq!(schema, groups[0].rows.schema());
        let back = arrow::compute::concat_batches(&schema, &batches).unwrap();
        assert_eq!(restore(&back, &old.schema()).unwrap(), old, "{rows} rows");
    }
}

fn laid(part: &EncodedPart, blocks: &MemBlocks) -> LaidPart {
    let file = now(open_file(blocks, &part.part.cid)).unwrap();
    let options = ReadOptionsBuilder::new().with_page_index().build();
    let reader = SerializedFileReader::new_with_options(file_of(part), options).unwrap();
    LaidPart {
        root: part.part.cid,
        leaves: file.leaves().into(),
        metadata: Arc::new(reader.metadata().clone()),
    }
}

#[test]
fn logical_hashes_know_rows_and_their_order_and_nothing_else() {
    let old = table(0..2_000);
    let whole_hash = whole(&old).hash;
    for bytes in [500, 5_000, 50_000] {
        let groups = cut(&old, CutRule::default(), bytes);
        let joined = groups.iter().fold(RowsHash::EMPTY, |hash, group| hash.then(group.hash));
        assert_eq!(joined, whole_hash, "{bytes}");
        let stored = RowsHash::from_bytes(2_000, &joined.to_bytes()).unwrap();
        assert_eq!(stored.digest(&old.schema()), whole_hash.digest(&old.schema()));
    }
    let swapped = joined(&[old.slice(1, 1), old.slice(0, 1), old.slice(2, 1_998)]);
    let shorter = old.slice(0, 1_999);
    let others = [swapped, shorter, table(1..2_001)];
    for other in &others {
        assert_ne!(whole(other).hash, whole_hash);
    }
    let renamed = batch_of(vec![("other", Arc::clone(old.column(0)))]);
    let one = batch_of(vec![("id", Arc::clone(old.column(0)))]);
    let hash = whole(&one).hash;
    assert_eq!(hash, whole(&renamed).hash);
    assert_ne!(hash.digest(&one.schema()), hash.digest(&renamed.schema()));
    assert!(RowsHash::from_bytes(1, &[0xff; 16]).is_none(), "no sums are as large as the modulus");
}

#[test]
fn parts_are_found_in_row_order_and_an_edit_touches_one_folder() {
    let folders = |parts: &[Part]| {
        let content = content_root(parts).unwrap();
        let blocks = MemBlocks::default();
        now(blocks.put_many(content.nodes.clone())).unwrap();
        let mut found = Vec::new();
        let top =
            if parts.len() == 1 { Vec::new() } else { now(list(&blocks, &content.root)).unwrap() };
        for entry in top {
            if entry.name.starts_with("part-") {
                found.push(entry.cid);
            } else {
                found.extend(now(list(&blocks, &entry.cid)).unwrap().iter().map(|part| part.cid));
            }
        }
        (found, content)
    };
    for count in [2, 256, 257, 5_000] {
        let parts: Vec<Part> = (0..count).map(fake_part).collect();
        let (found, content) = folders(&parts);
        assert_eq!(content.bytes, (0..count).sum::<u64>());
        assert!(found.iter().eq(parts.iter().map(|part| &part.cid)), "{count} parts");
    }
    let one = [fake_part(1)];
    assert_eq!(content_root(&one).unwrap().root, one[0].cid);
    assert_eq!(content_root(&[]).unwrap_err().kind(), QueryErrorKind::Internal);

    let mut parts: Vec<Part> = (0..5_000).map(fake_part).collect();
    let known: BTreeSet<Cid> = folders(&parts).1.nodes.iter().map(|node| *node.cid()).collect();
    parts.insert(2_500, fake_part(9_999));
    let after = folders(&parts).1.nodes;
    let new = after.iter().filter(|node| !known.contains(node.cid())).count();
    assert!(known.len() > 8 && new <= 3, "{new} new folders of {}", after.len());
}

fn fake_part(number: u64) -> Part {
    let cid = cid_of(cidlake_block::Codec::Raw, &number.to_le_bytes());
    Part {
        cid,
        rows: 1,
        bytes: number,
        tsize: number,
        partition: vec![],
        columns: vec![],
        rows_hash: None,
    }
}
