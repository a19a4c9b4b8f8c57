//! Verified reads of single blocks in random order, beside `pread` and sha2-256 of the same bytes
//! in the same files. Pages are warm, and our cache of verified blocks is off.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use bytes::Bytes;
use cidlake_block::car::{PAYLOAD_OFFSET, parse_section_prefix};
use cidlake_block::{Block, Cid, Codec};
use sha2::{Digest as _, Sha256};

use crate::Failure;
use crate::arguments::Arguments;
use crate::folder::Folder;
use crate::ours::{self, Ours, Shape};
use crate::random::Random;
use crate::report::{Report, Target, Wanted};
use crate::rounds::{Turn, rate, take_turns};

/// Over how many packs the blocks are spread.
const PACKS: u64 = 200;
/// What is put at a time, in bytes.
const BATCH_BYTES: usize = 4 << 20;
/// The longest prefix of a section that is looked for, in bytes.
const PREFIX_BYTES: usize = 64;

pub(crate) fn measure(
    arguments: &Arguments,
    folder: &Folder,
    report: &mut Report,
) -> Result<(), Failure> {
    let title = "verified gets of 4 KiB blocks";
    of_size(arguments, folder, report, title, (arguments.blocks, 4 << 10))?;
    let title = "verified gets of 38 KB blocks";
    of_size(arguments, folder, report, title, (arguments.large_blocks, 38_000))
}

fn of_size(
    arguments: &Arguments,
    folder: &Folder,
    report: &mut Report,
    title: &str,
    (count, bytes): (usize, usize),
) -> Result<(), Failure> {
    let lake = folder.fresh("gets")?;
    let packs = build(&lake, arguments.seed, count, bytes)?;
    let mut places = places(&lake)?;
    Random::new(arguments.seed).shuffle(&mut places.of_blocks);
    let ours = Ours::open(&lake, Shape { cache_bytes_max: 0, ..Shape::default() })?;
    let mut buffer = vec![0; bytes];
    let mut reads = places.of_blocks.iter().cycle();
    let mut gets = reads.clone();
    let contestants: Vec<(&str, Turn<'_>)> = vec![
        (
            "cidlake",
            Box::new(|| {
                rate(arguments.turn, || {
                    let place = gets.next().ok_or("there are no blocks")?;
                    ours.get(&place.cid)?;
                    Ok(1)
                })
            }),
        ),
        (
            "pread and sha2-256",
            Box::new(|| {
                rate(arguments.turn, || {
                    let place = reads.next().ok_or("there are no blocks")?;
                    place.read(&places.files, &mut buffer)?;
                    Ok(1)
                })
            }),
        ),
    ];
    let figures = take_turns(arguments.rounds, contestants)?;
    let reached = match figures.as_slice() {
        [ours, raw] => ours.ratio_to(raw),
        _ => f64::NAN,
    };
    let targets = [Target { what: "of pread and sha2-256", reached, wanted: Wanted::AtLeast(0.8) }];
    let title = format!("{title}, {count} blocks in {packs} packs, random order");
    report.add(&title, "blocks/s", &figures, &targets);
    folder.fresh("gets")?;
    Ok(())
}

/// Fills the lake in `folder` with `count` blocks, indexes its packs, and returns their number.
pub(crate) fn build(
    folder: &Path,
    seed: u64,
    count: usize,
    bytes: usize,
) -> Result<usize, Failure> {
    let pack_bytes_max = (count * bytes) as u64 / PACKS;
    let ours = Ours::open(folder, Shape { pack_bytes_max, ..Shape::default() })?;
    let mut random = Random::new(seed);
    let mut rest = count;
    while rest > 0 {
        let batch = rest.min((BATCH_BYTES / bytes).max(1));
        let data = (0..batch).map(|_| Bytes::from(random.bytes(bytes)));
        ours.put(&data.map(|data| Block::new(Codec::Raw, data)).collect::<Vec<_>>())?;
        rest -= batch;
    }
    ours.index()?;
    ours.close()?;
    Ok(ours::files(folder, "packs", "car")?.len())
}

/// Where all blocks of a lake are.
struct Places {
    files: Vec<File>,
    of_blocks: Vec<Place>,
}

/// Where a block's bytes are.
struct Place {
    cid: Cid,
    file: usize,
    offset: u64,
    len: usize,
}

impl Place {
    /// Reads the block and holds it against its CID.
    fn read(&self, files: &[File], buffer: &mut [u8]) -> Result<(), Failure> {
        let (file, buffer) =
            files.get(self.file).zip(buffer.get_mut(..self.len)).ok_or("no file")?;
        file.read_exact_at(buffer, self.offset)?;
        let digest = Sha256::digest(buffer);
        if self.cid.hash().digest() == &digest[..] { Ok(()) } else { Err("not the block".into()) }
    }
}

/// Walks the packs of the lake in `folder`, which also brings their pages into memory.
fn places(folder: &Path) -> Result<Places, Failure> {
    let mut places = Places { files: Vec::new(), of_blocks: Vec::new() };
    for path in ours::files(folder, "packs", "car")? {
        let content = std::fs::read(&path)?;
        let file = places.files.len();
        places.files.push(File::open(&path)?);
        let header = content.get(11 + 16 + 8..11 + 16 + 16).and_then(|size| size.try_into().ok());
        let data_bytes = u64::from_le_bytes(header.ok_or("a pack is cut short")?);
        let size = content.len() as u64;
        let end = if data_bytes == 0 { size } else { PAYLOAD_OFFSET + data_bytes };
        // Behind the payload's own header, which is 26 bytes long.
        let mut at = PAYLOAD_OFFSET + 26;
        while at < end {
            let begin = usize::try_from(at)?;
            let rest = content.get(begin..).unwrap_or_default();
            let prefix =
                parse_section_prefix(rest.get(..PREFIX_BYTES.min(rest.len())).unwrap_or(rest))?;
            let (offset, len) = (at + prefix.prefix_len as u64, usize::try_from(prefix.data_len)?);
            places.of_blocks.push(Place { cid: prefix.cid, file, offset, len });
            at = offset + prefix.data_len;
        }
    }
    Ok(places)
}
