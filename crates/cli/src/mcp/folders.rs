//! Which files of this machine a client may have read: those beneath folders that whoever started
//! the server named, and no others.
//!
//! Paths are compared after every link is resolved, component by component, and once more for the
//! file that was really opened, so that neither `..` nor a link nor a quick swap leads out.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Component, Path, PathBuf};

use cidlake::{Error, ErrorKind};

/// The largest file that is read for a client, in bytes; it is held in memory.
const FILE_BYTES_MAX: u64 = 256 << 20;

/// The folders beneath which files may be read, all links resolved.
#[derive(Clone, Debug, Default)]
pub(super) struct Folders {
    roots: Vec<PathBuf>,
}

impl Folders {
    /// Resolves the folders that may be read.
    ///
    /// # Errors
    /// `NotFound` for one that is not there, `Invalid` for what is no folder.
    pub(super) fn resolve(paths: &[PathBuf]) -> Result<Self, Error> {
        let mut roots = Vec::with_capacity(paths.len());
        for path in paths {
            let root = path.canonicalize().map_err(|error| io_error(path, error))?;
            if !root.is_dir() {
                return Err(Error::new(
                    ErrorKind::Invalid,
                    format!("{} is no folder", path.display()),
                )
                .with_hint("--allow-path takes a folder"));
            }
            roots.push(root);
        }
        Ok(Self { roots })
    }

    /// Reads a file and returns its name and content. Blocks.
    ///
    /// # Errors
    /// `Invalid` for whatever is not a file beneath one of the folders, `NotFound` for a file
    /// that is not there.
    pub(super) fn read(&self, path: &str) -> Result<(String, Vec<u8>), Error> {
        let asked = Path::new(path);
        let real = match asked.canonicalize() {
            Ok(real) => real,
            Err(error) if self.would_hold(asked) => return Err(io_error(asked, error)),
            // Whether something is there or not outside of the folders is not told.
            Err(_) => return Err(self.refused(path)),
        };
        if !self.holds(&real) {
            return Err(self.refused(path));
        }
        let meta = real.metadata().map_err(|error| io_error(asked, error))?;
        if !meta.is_file() {
            return Err(Error::new(ErrorKind::Invalid, format!("{path} is no file"))
                .with_hint("name one file; folders are added with `cidlake add`"));
        }
        let file = File::open(&real).map_err(|error| io_error(asked, error))?;
        let opened = path_of_open(&file, &real).map_err(|error| io_error(asked, error))?;
        if !self.holds(&opened) {
            return Err(self.refused(path));
        }
        let mut data = Vec::new();
        let read = file.take(FILE_BYTES_MAX + 1).read_to_end(&mut data);
        read.map_err(|error| io_error(asked, error))?;
        if data.len() as u64 > FILE_BYTES_MAX {
            return Err(Error::new(
                ErrorKind::Invalid,
                format!("{path} has more than {FILE_BYTES_MAX} bytes"),
            )
            .with_hint("add it with `cidlake add`, which streams"));
        }
        let name = real.file_name().map(|name| name.to_string_lossy().into_owned());
        Ok((name.unwrap_or_default(), data))
    }

    /// Whether a resolved path lies beneath one of the folders.
    fn holds(&self, real: &Path) -> bool {
        self.roots.iter().any(|root| real.starts_with(root))
    }

    /// Whether a path that cannot be resolved would lie beneath one of the folders, by its name.
    fn would_hold(&self, path: &Path) -> bool {
        let climbs = path.components().any(|part| part == Component::ParentDir);
        !climbs && std::path::absolute(path).is_ok_and(|path| self.holds(&path))
    }

    fn refused(&self, path: &str) -> Error {
        let hint = if self.roots.is_empty() {
            "this server reads no files; start it with --allow-path FOLDER, or pass content"
        } else {
            "name a file beneath a folder that the server was started with (--allow-path)"
        };
        Error::new(ErrorKind::Invalid, format!("{path} may not be read")).with_hint(hint)
    }
}

/// Returns where the open file really is: the kernel knows it by what was opened.
#[cfg(target_os = "linux")]
fn path_of_open(file: &File, path: &Path) -> io::Result<PathBuf> {
    use std::os::fd::AsRawFd as _;
    let link = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    link.read_link().or_else(|_| path.canonicalize())
}

/// Returns where the file is now; the best that can be asked on other systems.
#[cfg(not(target_os = "linux"))]
fn path_of_open(_file: &File, path: &Path) -> io::Result<PathBuf> {
    path.canonicalize()
}

fn io_error(path: &Path, error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        _ => ErrorKind::Unavailable,
    };
    Error::new(kind, format!("cannot read {}", path.display())).with_source(error)
}

#[cfg(test)]
mod tests {
    use cidlake::ErrorKind;

    use super::Folders;

    #[test]
    fn only_files_beneath_the_folders_are_read() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().canonicalize().unwrap();
        let at = |path: &str| root.join(path);
        for folder in ["open/inner", "open-not"] {
            std::fs::create_dir_all(at(folder)).unwrap();
        }
        for file in ["secret", "open/a.txt", "open/inner/b.txt", "open-not/c.txt"] {
            std::fs::write(at(file), file).unwrap();
        }
        let folders = Folders::resolve(&[at("open")]).unwrap();
        let read = |path: &str| folders.read(&at(path).to_string_lossy());

        assert_eq!(read("open/a.txt").unwrap(), ("a.txt".to_owned(), b"open/a.txt".to_vec()));
        assert!(read("open/inner/../a.txt").is_ok(), "climbing inside stays inside");
        let refused = [
            ("secret", ErrorKind::Invalid),
            ("open/../secret", ErrorKind::Invalid),
            ("open-not/c.txt", ErrorKind::Invalid),
            ("open/inner", ErrorKind::Invalid),
            ("open/nosuch", ErrorKind::NotFound),
            ("nosuch", ErrorKind::Invalid),
            ("open/../nosuch", ErrorKind::Invalid),
        ];
        for (path, kind) in refused {
            let error = read(path).unwrap_err();
            assert_eq!(error.kind(), kind, "{path}: {error}");
        }
        let none = Folders::default().read(&at("open/a.txt").to_string_lossy()).unwrap_err();
        assert!(none.hint().unwrap().contains("--allow-path"));
        assert_eq!(Folders::resolve(&[at("nosuch")]).unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(Folders::resolve(&[at("secret")]).unwrap_err().kind(), ErrorKind::Invalid);
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_to_where_they_lead() {
        use std::os::unix::fs::symlink;

        let place = tempfile::tempdir().unwrap();
        let at = |path: &str| place.path().join(path);
        std::fs::create_dir(at("open")).unwrap();
        std::fs::write(at("secret"), "secret").unwrap();
        std::fs::write(at("open/a.txt"), "a").unwrap();
        symlink(at("secret"), at("open/out")).unwrap();
        symlink(place.path(), at("open/up")).unwrap();
        symlink(at("open/a.txt"), at("in")).unwrap();
        let folders = Folders::resolve(&[at("open")]).unwrap();
        for path in ["open/out", "open/up/secret"] {
            let error = folders.read(&at(path).to_string_lossy()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{path}: {error}");
        }
        assert_eq!(folders.read(&at("in").to_string_lossy()).unwrap().1, b"a");
    }
}
