//! `Dockerfile`: the compiler that the repository names, the ports at which the roles listen, and the list of crates.

use std::{collections::BTreeSet, fs};

use super::{
    files::{port, text},
    roles::services,
};

#[test]
fn the_image_is_built_by_the_compiler_that_the_repository_names() {
    let toolchain = text("rust-toolchain.toml");
    let channel = toolchain.lines().find_map(|line| line.strip_prefix("channel = "));
    let version = channel.expect("a channel").trim_matches('"');
    let image = format!("ARG RUST_IMAGE=rust:{version}-");
    assert!(text("Dockerfile").contains(&image), "the Dockerfile has no {image}");
}

#[test]
fn the_image_opens_the_ports_at_which_it_listens() {
    let dockerfile = text("Dockerfile");
    let exposed = dockerfile.lines().find_map(|line| line.strip_prefix("EXPOSE ")).expect("EXPOSE");
    let exposed: BTreeSet<u64> = exposed.split(' ').map(port).collect();
    let addresses = dockerfile.split(['\n', ' ']).filter(|word| word.starts_with("LEVQOR_"));
    let listens = addresses.filter_map(|word| word.split_once("_ADDR=")).map(|(_, address)| port(address));
    assert_eq!(exposed, listens.collect());
    assert_eq!(exposed.len(), 3, "REST, gRPC and metrics");
}

#[test]
fn the_user_of_the_image_is_the_owner_of_its_secrets() {
    let dockerfile = text("Dockerfile");
    let user = dockerfile.lines().find_map(|line| line.strip_prefix("USER ")).expect("USER");
    let user = user.split(':').next().unwrap_or_default();
    assert!(text("docker/secrets.sh").contains(&format!("levqor={user} ")), "{user}");
    let role = text("k8s/base/patches/role.yaml");
    assert!(role.contains(&format!("runAsUser: {user}\n")), "{user}");
}

#[test]
fn scripts_find_every_service_by_its_folder() {
    for script in [".ci/image", ".ci/sqlx"] {
        assert!(text(script).contains(" in services/*/; do"), "{script} has a list of its own");
    }
    let entries = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/services")).expect("a folder");
    let folders = entries.map(|entry| entry.expect("an entry")).filter(|entry| entry.path().is_dir());
    let names: BTreeSet<_> = folders.map(|entry| entry.file_name().into_string().expect("text")).collect();
    assert_eq!(names, services().into_iter().map(str::to_owned).collect());
}

#[test]
fn the_image_contains_the_list_of_the_crates_in_the_binary() {
    let path = "/usr/share/doc/levqor/sbom.cdx.json";
    assert!(text("Dockerfile").contains(&format!("python3 .ci/sbom >/image{path} ")), "{path}");
    assert!(text(".dockerignore").lines().any(|line| line == "!.ci/sbom"), "the script reaches the build");
    assert!(text("docs/DEPLOY.md").contains(path), "{path}");
}
