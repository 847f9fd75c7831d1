//! `Dockerfile`: the compiler that the repository names, the ports at which the roles listen, and the list of crates.

use std::collections::BTreeSet;

use super::{
    files::{port, text},
    roles::{roles, services},
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
fn the_image_is_tried_with_every_role() {
    let script = text(".ci/image");
    for role in roles() {
        assert!(script.contains(&format!("[{role}]=127.0.0.")), ".ci/image has no address for {role}");
    }
    let listed = script.lines().find_map(|line| line.strip_prefix("services=(")).expect("services");
    let listed: BTreeSet<_> = listed.trim_end_matches(')').split(' ').collect();
    assert_eq!(listed, services().into_iter().collect());
}

#[test]
fn the_image_contains_the_list_of_the_crates_in_the_binary() {
    let path = "/usr/share/doc/levqor/sbom.cdx.json";
    assert!(text("Dockerfile").contains(&format!("python3 .ci/sbom >/image{path} ")), "{path}");
    assert!(text(".dockerignore").lines().any(|line| line == "!.ci/sbom"), "the script reaches the build");
    assert!(text("docs/DEPLOY.md").contains(path), "{path}");
}
