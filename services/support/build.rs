//! Lists the articles that come with the service, so that a new article needs no change in Rust.

use std::{env, error::Error, fs, path::PathBuf};

#[expect(clippy::disallowed_methods, reason = "cargo passes OUT_DIR to build scripts this way")]
fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=articles");
    let mut lines = Vec::new();
    for entry in fs::read_dir("articles")? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).ok_or("a file's name is no text")?;
        let is_markdown = path.extension().is_some_and(|extension| extension == "md");
        // A name in capitals is a document about the articles, and no article.
        if is_markdown && !name.starts_with(char::is_uppercase) {
            let file = format!("include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/articles/{name}\"))");
            lines.push(format!("    (\"{name}\", {file}),\n"));
        }
    }
    lines.sort();
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("articles.rs"), format!("&[\n{}]\n", lines.concat()))?;
    Ok(())
}
