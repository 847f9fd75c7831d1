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
    let mut sources = Vec::new();
    for entry in fs::read_dir("templates")? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "j2") {
            let name =
                path.file_stem().and_then(|stem| stem.to_str()).ok_or("a template's name is no text")?;
            let file = format!("concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/templates/{name}.j2\")");
            sources.push(format!("    (\"{name}\", include_str!({file})),\n"));
        }
    }
    sources.sort();
    fs::write(out.join("templates.rs"), format!("&[\n{}]\n", sources.concat()))?;
    Ok(())
}

/// Compiles an MJML document to HTML. A warning of mrml is an error here.
fn compiled(mjml: &str) -> Result<String, Box<dyn Error>> {
    let parsed = mrml::parse(mjml)?;
    if !parsed.warnings.is_empty() {
        return Err(format!("{:?}", parsed.warnings).into());
    }
    Ok(parsed.element.render(&mrml::prelude::render::RenderOptions::default())?)
}
