//! Tests that a shell and Docker Compose read a copy of `.env.example` with the intended values.

use std::{collections::BTreeMap, fs, process::Command};

/// The intended value of each setting: its default, or nothing.
fn meant() -> BTreeMap<String, String> {
    let settings = crate::mesh::settings().into_iter();
    settings.map(|s| (s.name.into_owned(), s.default.unwrap_or_default().to_owned())).collect()
}

/// The example with every setting uncommented, in the two ways that people use.
fn uncommented() -> [String; 2] {
    let example = super::example();
    let is_setting = |line: &str| {
        line.strip_prefix('#').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()))
    };
    let settings_only = |line: &str| if is_setting(line) { line[1..].to_owned() } else { line.to_owned() };
    let every_line = |line: &str| line.strip_prefix('#').unwrap_or(line).to_owned();
    let of = |uncomment: &dyn Fn(&str) -> String| {
        example.lines().map(uncomment).collect::<Vec<_>>().join("\n") + "\n"
    };
    [of(&settings_only), of(&every_line)]
}

#[test]
fn a_shell_reads_the_intended_values_with_every_setting_uncommented() {
    for (n, text) in uncommented().into_iter().enumerate() {
        let path = std::env::temp_dir().join(format!("levqor-env-{}-{n}", std::process::id()));
        fs::write(&path, text).expect("written");
        let mut shell = Command::new("sh");
        let shell = shell
            .args(["-euc", "set -a; . \"$0\"; set +a; env -0"])
            .arg(&path)
            .env_clear()
            .env("PATH", "/usr/bin:/bin");
        let output = shell.output().expect("a shell");
        let _ = fs::remove_file(&path);
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let stdout = String::from_utf8(output.stdout).expect("text");
        let read: BTreeMap<_, _> = stdout.split('\0').filter_map(|pair| pair.split_once('=')).collect();
        for (name, value) in meant() {
            assert_eq!(read.get(name.as_str()), Some(&value.as_str()), "{name}");
        }
    }
}

#[test]
fn compose_reads_the_intended_values_with_every_setting_uncommented() {
    for text in uncommented() {
        assert_eq!(compose(&text), Ok(meant()));
    }
}

/// Reads `env_file` as Docker Compose documents it. Each line is `NAME=value`. A comment is a line that begins with `#`, or it
/// follows white space after a bare value. A value in single quotes is literal. In bare values and in double quotes, `$` and
/// backslashes have a meaning, so this reader refuses them.
fn compose(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut read = BTreeMap::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (name, value) = line.split_once('=').ok_or_else(|| format!("no = in: {line}"))?;
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || !name.chars().all(is_name) {
            return Err(format!("no name: {line}"));
        }
        let value = if let Some(literal) = value.strip_prefix('\'') {
            let inside = literal.strip_suffix('\'').ok_or_else(|| format!("no end: {line}"))?;
            if inside.contains('\'') {
                return Err(format!("a quote within quotes: {line}"));
            }
            inside
        } else {
            let bare = value.split_once(" #").map_or(value, |(bare, _)| bare).trim();
            if bare.contains(['$', '\\', '"', '\'', '`']) {
                return Err(format!("it means something else bare: {line}"));
            }
            bare
        };
        if read.insert(name.to_owned(), value.to_owned()).is_some() {
            return Err(format!("twice: {name}"));
        }
    }
    Ok(read)
}

#[test]
fn the_reader_of_this_test_knows_composes_rules() {
    let read = |line: &str| compose(line).ok().and_then(|read| read.get("A").cloned());
    assert_eq!(read("A=b c # no value").as_deref(), Some("b c"));
    assert_eq!(read("A='b # $c'").as_deref(), Some("b # $c"));
    assert_eq!(read("  # A=b\nA=").as_deref(), Some(""));
    for refused in ["A=$b", "A=\"b\"", "A='b", "A b", "= b", "A=1\nA=2", "Some words"] {
        assert_eq!(read(refused), None, "{refused}");
    }
}
