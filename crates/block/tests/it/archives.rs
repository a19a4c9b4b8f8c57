//! CAR archives: published fixtures, round trips, and every cut and flipped bit.

use std::io::Cursor;

use bytes::Bytes;
use cidlake_block::car::{
    HeaderV2, Index, PRAGMA_V2, Reader, Writer, parse_section_prefix, section_prefix, write_v2,
};
use cidlake_block::{Block, Cid, Codec, parse_cid};

use crate::{data, noise};

fn sample() -> Vec<Block> {
    (0..20).map(|n| Block::new(Codec::Raw, noise(n * 37, n as u64).into())).collect()
}

fn v1(blocks: &[Block]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), &[*blocks[0].cid()]).unwrap();
    for block in blocks {
        writer.write(block).unwrap();
    }
    writer.finish().unwrap()
}

/// Reads all blocks and verifies them; `Err` says what stopped it.
fn read(bytes: &[u8]) -> Result<Vec<Block>, String> {
    let reader = Reader::new(bytes).map_err(|error| error.to_string())?;
    reader
        .map(|block| block.map_err(|error| error.to_string())?.verify().map_err(|e| e.to_string()))
        .collect()
}

#[test]
fn published_archives_are_read() {
    let Some(folder) = data("car") else { return };
    let expected_roots = [
        "bafyreihyrpefhacm6kkp4ql6j6udakdit7g3dmkzfriqfykhjw6cad5lrm",
        "bafyreidj5idub6mapiupjwjsyyxhyhedxycv4vihfsicm2vt46o7morwlm",
    ];
    for name in ["carv1-basic", "carv2-basic"] {
        let path = folder.join(name).join(format!("{name}.car"));
        let path = if path.exists() { path } else { folder.join(format!("{name}.car")) };
        let bytes =
            std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let reader = Reader::new(&bytes[..]).unwrap();
        let roots: Vec<String> = reader.roots().iter().map(Cid::to_string).collect();
        if name == "carv1-basic" {
            assert_eq!(roots, expected_roots);
        }
        let blocks = read(&bytes).unwrap();
        assert!(blocks.len() >= 5, "{name} has {} blocks", blocks.len());
    }
}

#[test]
fn archives_of_both_versions_read_back() {
    let blocks = sample();
    assert_eq!(read(&v1(&blocks)).unwrap(), blocks);
    let v2 = write_v2(Cursor::new(Vec::new()), &[*blocks[0].cid()], &blocks).unwrap().into_inner();
    assert!(v2.starts_with(&PRAGMA_V2));
    assert_eq!(read(&v2).unwrap(), blocks);
    let header = HeaderV2::parse(&v2[11..]).unwrap();
    let index =
        Index::parse(&Bytes::from(v2.clone()).slice(header.index_offset as usize..)).unwrap();
    assert_eq!(index.len(), blocks.len());
    for block in &blocks {
        let at = (header.data_offset + index.lookup(block.cid()).unwrap()) as usize;
        let prefix = parse_section_prefix(&v2[at..]).unwrap();
        assert_eq!((prefix.cid, prefix.data_len), (*block.cid(), block.len() as u64));
        let data = &v2[at + prefix.prefix_len..][..block.len()];
        assert_eq!(data, &block.data()[..]);
    }
}

#[test]
fn an_archive_cut_anywhere_never_yields_a_wrong_block() {
    let blocks = sample();
    let bytes = v1(&blocks);
    let borders: Vec<usize> = {
        let mut writer = Writer::new(Vec::new(), &[*blocks[0].cid()]).unwrap();
        let mut at = vec![writer.bytes() as usize];
        for block in &blocks {
            writer.write(block).unwrap();
            at.push(writer.bytes() as usize);
        }
        at
    };
    for len in 0..bytes.len() {
        match read(&bytes[..len]) {
            Ok(read) => {
                assert!(borders.contains(&len), "a cut at {len} went unseen");
                assert_eq!(read, blocks[..read.len()]);
            }
            Err(_) => {
                assert!(!borders.contains(&len), "a whole archive of {len} bytes was refused")
            }
        }
    }
}

#[test]
fn a_flipped_bit_is_an_error_or_changes_nothing() {
    let blocks = sample();
    let bytes = v1(&blocks);
    for at in 0..bytes.len() {
        let mut bad = bytes.clone();
        bad[at] ^= 1 << (at % 8);
        if let Ok(read) = read(&bad) {
            // The codec of a CID is not hashed, and a header's roots are not blocks.
            let same = read.iter().map(Block::data).eq(blocks.iter().map(Block::data));
            assert!(same, "byte {at}");
        }
    }
}

#[test]
fn a_wrong_block_is_named() {
    let block = Block::new(Codec::Raw, Bytes::from_static(b"some bytes"));
    let mut bytes = v1(std::slice::from_ref(&block));
    *bytes.last_mut().unwrap() ^= 1;
    let error = read(&bytes).unwrap_err();
    assert!(error.contains(&block.cid().to_string()), "{error}");
}

#[test]
fn the_index_has_the_bytes_of_the_reference_implementation() {
    let cid = parse_cid("bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e").unwrap();
    let bytes = Index::build([(cid, 0x0102)]).to_bytes();
    let mut expected = vec![0x81, 0x08, 1, 0, 0, 0];
    expected.extend_from_slice(&0x12_u64.to_le_bytes());
    expected.extend_from_slice(&1_i32.to_le_bytes());
    expected.extend_from_slice(&40_u32.to_le_bytes());
    expected.extend_from_slice(&40_u64.to_le_bytes());
    expected.extend_from_slice(cid.hash().digest());
    expected.extend_from_slice(&0x0102_u64.to_le_bytes());
    assert_eq!(bytes, expected);
    for len in 0..bytes.len() {
        assert!(Index::parse(&bytes.slice(..len)).is_err(), "cut to {len}");
    }
    let absent = Block::new(Codec::Raw, Bytes::from_static(b"absent"));
    assert_eq!(Index::parse(&bytes).unwrap().lookup(absent.cid()), None);
}

#[test]
fn section_prefixes_round_trip_and_are_bounded() {
    let block = &sample()[5];
    let bytes = section_prefix(block.cid(), block.len() as u64);
    let prefix = parse_section_prefix(&bytes).unwrap();
    assert_eq!((prefix.cid, prefix.data_len), (*block.cid(), block.len() as u64));
    assert_eq!(prefix.prefix_len, bytes.len());
    for len in 0..bytes.len() {
        assert!(parse_section_prefix(&bytes[..len]).is_err(), "cut to {len}");
    }
    assert!(parse_section_prefix(&section_prefix(block.cid(), 1 << 40)).is_err());
}
