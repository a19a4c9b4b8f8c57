//! Files that the floors above derive from the lake, in the folder `index/`: what is in them is
//! theirs. They carry a checksum in their names, so what is read is what was written.

use bytes::Bytes;

use crate::error::StoreError;
use crate::locked::lock;
use crate::store::Store;
use crate::whole::WholeFiles;

impl Store {
    fn derived(&self) -> WholeFiles<'_> {
        WholeFiles::new(&self.disk, self.root.join("index"), &self.unique)
    }

    /// Writes a derived file and returns the name under which it is read: `stem`, then its checksum.
    ///
    /// # Errors
    /// `ReadOnly` or `NoSpace` when the disk refuses; what was there before stays.
    pub fn write_derived(&self, stem: &str, content: &[u8]) -> Result<String, StoreError> {
        self.check_open()?;
        self.make_folders()?;
        let name = format!("{stem}-{:08x}", crc32c::crc32c(content));
        let _only_one = lock(&self.deriving);
        self.derived().write(&name, content)?;
        Ok(name)
    }

    /// Returns the names of all derived files, in order.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn derived_names(&self) -> Result<Vec<String>, StoreError> {
        let mut names = self.derived().names()?;
        names.retain(|name| checksum_in(name).is_some());
        Ok(names)
    }

    /// Reads a derived file; none where it is not what was written.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read_derived(&self, name: &str) -> Result<Option<Bytes>, StoreError> {
        let content = self.derived().read(name)?;
        Ok((checksum_in(name) == Some(crc32c::crc32c(&content))).then_some(content))
    }

    /// Removes a derived file, and drafts of files whose names begin with those of no later ones.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn remove_derived(&self, name: &str) -> Result<(), StoreError> {
        let files = self.derived();
        files.remove_drafts(|of| of <= name);
        files.remove(name)
    }
}

/// Returns the checksum in the name of a derived file.
fn checksum_in(name: &str) -> Option<u32> {
    let (_, checksum) = name.rsplit_once('-')?;
    let is_plain = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let is_checksum = checksum.len() == 8 && checksum.bytes().all(is_plain);
    u32::from_str_radix(checksum, 16).ok().filter(|_| is_checksum)
}

#[cfg(test)]
mod tests {
    use super::checksum_in;

    #[test]
    fn a_name_ends_with_the_checksum() {
        assert_eq!(checksum_in("0001-commits-0000002a"), Some(42));
        for other in ["0001-commits", "a-2A000000", "a-2a", "a-0000002a.x.tmp", ""] {
            assert_eq!(checksum_in(other), None, "{other}");
        }
    }
}
