//! Compiles the MJML of the mails and lists the templates, so that a new template needs no change in Rust.

use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
};

#[expect(clippy::disallowed_methods, reason = "cargo passes OUT_DIR to build scripts this way")]
fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=templates");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    for name in ["layout", "parts"] {
        let source = Path::new("templates/html").join(name).with_extension("mjml");
        let html = compiled(&fs::read_to_string(&source)?)
            .map_err(|error| format!("{}: {error}", source.display()))?;
        fs::write(out.join(name).with_extension("html"), html)?;
    }
    // British English is in the folder itself, another language in a subfolder with its two letters.
    let mut sources = files("templates", "j2", |name, file| format!("    (\"en\", \"{name}\", {file}),\n"))?;
    for entry in fs::read_dir("templates")? {
        let folder = entry?.path();
        let language = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if folder.is_dir() && language.len() == 2 {
            let line = |name: &str, file: &str| format!("    (\"{language}\", \"{name}\", {file}),\n");
            sources.extend(files(&folder.to_string_lossy(), "j2", line)?);
        }
    }
    fs::write(out.join("templates.rs"), list(sources))?;
    let samples = files("templates", "json", |name, file| format!("    (\"{name}\", {file}),\n"))?;
    fs::write(out.join("samples.rs"), list(samples))?;
    Ok(())
}

/// A Rust slice of these lines.
fn list(mut lines: Vec<String>) -> String {
    lines.sort();
    format!("&[\n{}]\n", lines.concat())
}

/// One line of Rust for each file of a folder that ends like this: `line` gets the file's name without the end, and the expression
/// of its text.
fn files(
    folder: &str,
    end: &str,
    line: impl Fn(&str, &str) -> String,
) -> Result<Vec<String>, Box<dyn Error>> {
    let mut lines = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == end) {
            let name = path.file_stem().and_then(|stem| stem.to_str()).ok_or("a file's name is no text")?;
            let file =
                format!("include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/{folder}/{name}.{end}\"))");
            lines.push(line(name, &file));
        }
    }
    Ok(lines)
}

/// Compiles an MJML document to HTML. A warning of mrml is an error here.
fn compiled(mjml: &str) -> Result<String, Box<dyn Error>> {
    let parsed = mrml::parse(mjml)?;
    if !parsed.warnings.is_empty() {
        return Err(format!("{:?}", parsed.warnings).into());
    }
    Ok(parsed.element.render(&mrml::prelude::render::RenderOptions::default())?)
}
