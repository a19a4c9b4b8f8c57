//! Where things are: the checkout, the target folder, the binary and real data beside the checkout.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process;

/// The checkout and where it is built.
#[derive(Debug)]
pub(crate) struct Project {
    /// The folder with the workspace's `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// Cargo's target folder.
    pub(crate) target: PathBuf,
    cargo: OsString,
}

impl Project {
    /// Asks cargo.
    ///
    /// # Errors
    /// Says what cargo did not answer.
    pub(crate) fn locate() -> Result<Self, String> {
        let root = root()?;
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
        let mut command = Command::new(&cargo);
        command.args(["metadata", "--format-version", "1", "--no-deps"]).current_dir(&root);
        let metadata =
            process::answer(&mut command).ok_or("`cargo metadata` failed in the checkout")?;
        let target = string_of(&metadata, "target_directory")
            .ok_or("`cargo metadata` names no target folder")?;
        Ok(Self { root, target: PathBuf::from(target), cargo })
    }

    /// Returns cargo, to be run in the checkout.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = Command::new(&self.cargo);
        command.current_dir(&self.root);
        command
    }

    /// Returns the path of the release binary.
    pub(crate) fn binary(&self) -> PathBuf {
        self.target.join("release").join(format!("cidlake{}", std::env::consts::EXE_SUFFIX))
    }

    /// Returns the folder with real data, if it is there.
    ///
    /// # Errors
    /// Where the environment names a folder that is not there.
    pub(crate) fn data(&self) -> Result<Option<PathBuf>, String> {
        let named = std::env::var_os("CIDLAKE_DATA").map(|folder| self.root.join(folder));
        data_folder(named, &self.root.join("../shared/data"))
    }
}

/// Returns the checkout that this program belongs to. The variable that cargo sets at run time
/// counts, because the target folder may be shared by several checkouts.
///
/// # Errors
/// Where the folder has no `Cargo.toml`.
pub(crate) fn root() -> Result<PathBuf, String> {
    let own = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    let root = own.parent().map(Path::to_path_buf).unwrap_or_default();
    if root.join("Cargo.toml").is_file() {
        Ok(root)
    } else {
        Err(format!("{} is no checkout: it has no Cargo.toml", root.display()))
    }
}

/// Whether the run is unattended: `CI` is set and does not say no.
pub(crate) fn unattended() -> bool {
    says_yes(std::env::var_os("CI"))
}

/// Whether absent real data is a failure.
pub(crate) fn data_required() -> bool {
    std::env::var_os("CIDLAKE_REQUIRE_DATA").is_some()
}

fn says_yes(value: Option<OsString>) -> bool {
    value.is_some_and(|value| !["", "0", "false"].iter().any(|no| value.as_os_str() == *no))
}

fn data_folder(named: Option<PathBuf>, beside: &Path) -> Result<Option<PathBuf>, String> {
    match named {
        Some(folder) => std::fs::canonicalize(&folder).map(Some).map_err(|error| {
            format!("CIDLAKE_DATA names {}, which cannot be read: {error}", folder.display())
        }),
        None => Ok(std::fs::canonicalize(beside).ok().filter(|folder| folder.is_dir())),
    }
}

/// Returns the text of the last `"key":"text"` of a JSON document without blanks, as cargo
/// prints it.
fn string_of(json: &str, key: &str) -> Option<String> {
    let start = format!("\"{key}\":\"");
    let (_, rest) = json.rsplit_once(&start)?;
    let mut text = String::new();
    let mut characters = rest.chars();
    loop {
        match characters.next()? {
            '"' => return Some(text),
            '\\' => match characters.next()? {
                'n' => text.push('\n'),
                't' => text.push('\t'),
                'u' => {
                    let digits: String = characters.by_ref().take(4).collect();
                    text.push(char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?);
                }
                other => text.push(other),
            },
            other => text.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_come_out_of_json_unescaped() {
        let json = r#"{"a":"no","target_directory":"C:\\b \"\u00e9\"","build_directory":"x"}"#;
        assert_eq!(string_of(json, "target_directory").as_deref(), Some("C:\\b \"é\""));
        assert_eq!(string_of(json, "absent"), None);
        assert_eq!(string_of(r#"{"a":"cut"#, "a"), None);
    }

    #[test]
    fn ci_may_say_no() {
        let cases = [(None, false), (Some(""), false), (Some("false"), false), (Some("1"), true)];
        for (value, expected) in cases {
            assert_eq!(says_yes(value.map(OsString::from)), expected, "{value:?}");
        }
    }

    #[test]
    fn a_named_folder_must_be_there_and_one_beside_may_be() {
        let here = root().unwrap();
        assert_eq!(data_folder(None, &here.join("absent")), Ok(None));
        assert!(data_folder(None, &here).is_ok_and(|folder| folder.is_some()));
        assert!(data_folder(Some(here.join("absent")), &here).is_err());
    }

    #[test]
    fn cargo_knows_the_target_folder() {
        let project = Project::locate().unwrap();
        assert!(project.target.is_absolute());
        assert!(project.root.join("xtask/Cargo.toml").is_file());
    }
}
