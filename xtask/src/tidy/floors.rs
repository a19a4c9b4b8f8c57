//! Which crate may know what: the floors of the workspace, and the one crate that may name each
//! heavy thing. A missing line in a manifest is what keeps storage from knowing SQL.

use std::collections::BTreeMap;

use super::Finding;
use super::manifest::{dependencies, locked};
use super::tree::File;

/// The folder of each crate and the crates of ours that it may build on, lowest floor first.
static FLOORS: [(&str, &[&str]); 10] = [
    ("crates/block", &[]),
    ("crates/store", &["cidlake-block"]),
    ("crates/catalog", &["cidlake-block"]),
    ("crates/query", &["cidlake-block", "cidlake-catalog"]),
    ("crates/net", &["cidlake-block", "cidlake-catalog"]),
    (
        "crates/lake",
        &["cidlake-block", "cidlake-store", "cidlake-catalog", "cidlake-query", "cidlake-net"],
    ),
    ("crates/cli", &["cidlake"]),
    ("crates/python", &["cidlake"]),
    ("crates/sim", &["cidlake-block", "cidlake-store", "cidlake-catalog"]),
    ("xtask", &[]),
];

/// Families of packages, by the beginning of their name, and the crates that may name them.
static OWNERS: [(&str, &[&str]); 17] = [
    ("cid", &["crates/block"]),
    ("multihash", &["crates/block"]),
    ("multibase", &["crates/block"]),
    ("serde_ipld_dagcbor", &["crates/block"]),
    ("crc32c", &["crates/store"]),
    ("ed25519-dalek", &["crates/catalog"]),
    ("arrow", &["crates/query"]),
    ("parquet", &["crates/query"]),
    ("datafusion", &["crates/query"]),
    ("object_store", &["crates/query"]),
    ("libp2p", &["crates/net"]),
    ("tokio", &["crates/net", "crates/lake", "crates/cli", "crates/python"]),
    ("getrandom", &["crates/lake"]),
    ("clap", &["crates/cli"]),
    ("rmcp", &["crates/cli"]),
    ("axum", &["crates/cli"]),
    ("pyo3", &["crates/python"]),
];

/// Families of which the whole graph has one version, or types of one meet types of the other.
const ONE_VERSION: [&str; 4] = ["arrow", "parquet", "datafusion", "object_store"];

/// Checks the manifests and the lock file of a checkout.
pub(super) fn check(files: &[File]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files {
        if file.path == "Cargo.toml" {
            findings.extend(check_reasons(file));
        } else if file.path == "Cargo.lock" {
            findings.extend(check_versions(file));
        } else if let Some(folder) = file.path.strip_suffix("/Cargo.toml")
            && !is_apart(file)
        {
            findings.extend(check_manifest(file, folder));
        }
    }
    findings
}

/// Whether it is the manifest of a project of its own, with a lock file of its own: what that names
/// never enters the graph of the workspace. Only benchmarks may be that.
pub(super) fn is_apart(file: &File) -> bool {
    file.path.starts_with("bench/") && file.text.lines().any(|line| line == "[workspace]")
}

fn check_manifest(file: &File, folder: &str) -> Vec<Finding> {
    let Some((_, floor)) = FLOORS.iter().find(|(crate_folder, _)| *crate_folder == folder) else {
        let message = "is on no floor: say in xtask/src/tidy/floors.rs what it may build on";
        return vec![Finding::new(&file.path, 0, message)];
    };
    let mut findings = Vec::new();
    for dependency in dependencies(&file.text) {
        let name = dependency.name;
        let mut report =
            |message: String| findings.push(Finding::new(&file.path, dependency.line, message));
        let ours = name == "cidlake" || name.starts_with("cidlake-");
        if ours && !floor.contains(&name) {
            report(format!("may not build on {name}, which is on no floor below it"));
        }
        if folder == "xtask" {
            report(format!("names {name}: the chores use the standard library alone"));
        }
        let owned = OWNERS.iter().find(|(family, _)| !ours && is_of_family(name, family));
        if let Some((_, owners)) = owned.filter(|(_, owners)| !owners.contains(&folder)) {
            report(format!("may not name {name}: only {} may", owners.join(", ")));
        }
        if !dependency.inherited {
            report(format!("declares {name} itself: version and features stand in the workspace"));
        }
    }
    findings
}

/// Every group of dependencies in the workspace says why it is worth its compile time.
fn check_reasons(file: &File) -> Vec<Finding> {
    let unexplained = dependencies(&file.text).into_iter().filter(|found| !found.explained);
    unexplained
        .map(|found| {
            let message = format!("{} stands in a group without a comment why", found.name);
            Finding::new(&file.path, found.line, message)
        })
        .collect()
}

fn check_versions(file: &File) -> Vec<Finding> {
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, version) in locked(&file.text) {
        if ONE_VERSION.iter().any(|family| is_of_family(name, family)) {
            versions.entry(name).or_default().push(version);
        }
    }
    versions.retain(|_, versions| versions.len() > 1);
    versions
        .into_iter()
        .map(|(name, versions)| {
            let message = format!("has {name} more than once: {}", versions.join(", "));
            Finding::new(&file.path, 0, message)
        })
        .collect()
}

/// Whether `name` is `family` or begins with it and a hyphen.
fn is_of_family(name: &str, family: &str) -> bool {
    name.strip_prefix(family).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        check(&[File::new(path, text)]).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_crate_builds_on_lower_floors_alone() {
        let cases = [
            ("crates/store", "cidlake-block", true),
            ("crates/store", "cidlake-catalog", false),
            ("crates/query", "cidlake-store", false),
            ("crates/query", "cidlake-net", false),
            ("crates/cli", "cidlake", true),
            ("crates/cli", "cidlake-query", false),
            ("crates/block", "cidlake", false),
        ];
        for (folder, name, allowed) in cases {
            for section in ["dependencies", "dev-dependencies"] {
                let text = format!("[{section}]\n{name}.workspace = true\n");
                let count = found(&format!("{folder}/Cargo.toml"), &text).len();
                assert_eq!(count, usize::from(!allowed), "{folder} on {name}");
            }
        }
    }

    #[test]
    fn heavy_things_have_one_owner() {
        let cases = [
            ("crates/query", "datafusion", true),
            ("crates/lake", "datafusion", false),
            ("crates/lake", "arrow-array", false),
            ("crates/cli", "tpchgen-arrow", true),
            ("crates/cli", "clap_complete", true),
            ("crates/lake", "clap", false),
            ("crates/store", "tokio", false),
            ("crates/store", "cid", false),
        ];
        for (folder, name, allowed) in cases {
            let text = format!("[dependencies]\n{name}.workspace = true\n");
            let count = found(&format!("{folder}/Cargo.toml"), &text).len();
            assert_eq!(count, usize::from(!allowed), "{folder} names {name}");
        }
    }

    #[test]
    fn features_stand_in_the_workspace_and_chores_have_no_dependencies() {
        let text = "[dev-dependencies]\nserde = { version = \"1\", features = [\"derive\"] }\n";
        assert_eq!(found("crates/store/Cargo.toml", text).len(), 1);
        assert_eq!(found("xtask/Cargo.toml", "[dependencies]\na.workspace = true\n").len(), 1);
        assert_eq!(found("crates/new/Cargo.toml", "").len(), 1);
        assert_eq!(found("bench/new/Cargo.toml", "").len(), 1);
        let apart = "[workspace]\n[dependencies]\nrival = \"1\"\n";
        assert_eq!(found("bench/new/Cargo.toml", apart).len(), 0);
        assert_eq!(found("crates/new/Cargo.toml", apart).len(), 1);
    }

    #[test]
    fn every_group_of_the_workspace_is_explained() {
        let text = "[workspace.dependencies]\n# Why.\na = \"1\"\nb = \"1\"\n\nc = \"1\"\n";
        let expected = ["Cargo.toml:6: c stands in a group without a comment why"];
        assert_eq!(found("Cargo.toml", text), expected);
    }

    #[test]
    fn one_version_of_what_must_unify() {
        let package = |name: &str, version: &str| {
            format!("[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n\n")
        };
        let good = [package("arrow-array", "59.3.2"), package("rand", "1.0.0")].concat();
        let twice = [package("arrow-array", "58.0.0"), package("rand", "2.0.0")].concat();
        assert_eq!(found("Cargo.lock", &good).len(), 0);
        let found = found("Cargo.lock", &[good, twice].concat());
        assert_eq!(found, ["Cargo.lock: has arrow-array more than once: 59.3.2, 58.0.0"]);
    }
}
