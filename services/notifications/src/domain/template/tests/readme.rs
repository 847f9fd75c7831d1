//! The table of all templates in the README of this service is generated:
//! `INSTA_UPDATE=always cargo test -p levqor-notifications --lib readme` writes it.

use std::{env, fmt::Write as _, fs};

use super::templates;

const BEGIN: &str =
    "<!-- The table of templates is generated: see src/domain/template/tests/readme.rs. -->\n";
const END: &str = "<!-- The table of templates ends. -->\n";

/// The table as Markdown, one row for each template in the order of the proto.
fn table() -> String {
    let mut table = String::from(
        "| template | class | sender | category | who sends it, and when |\n|---|---|---|---|---|\n",
    );
    for template in templates().iter() {
        let (class, sender) = (template.class_name(), template.sender_name());
        let (name, category, occasion) = (template.name(), template.category_name(), template.occasion());
        writeln!(table, "| `{name}` | {class} | {sender} | {category} | {occasion} |").expect("a row");
    }
    table
}

#[expect(
    clippy::disallowed_methods,
    reason = "the variable says whether to write snapshots, as it does for insta"
)]
fn is_to_be_written() -> bool {
    env::var("INSTA_UPDATE").is_ok_and(|update| update == "always")
}

#[test]
fn the_readme_has_the_table_of_all_templates() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let readme = fs::read_to_string(path).expect("the README");
    let (before, rest) = readme.split_once(BEGIN).expect("where the table begins");
    let (_, after) = rest.split_once(END).expect("where the table ends");
    let expected = format!("{before}{BEGIN}{}{END}{after}", table());
    if is_to_be_written() {
        fs::write(path, &expected).expect("written");
    } else {
        assert!(readme == expected, "the table is old: run this test with INSTA_UPDATE=always");
    }
}
