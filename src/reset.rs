//! `levqor reset`: removes the private database of `levqor up` and the secrets that it made, so that the next `up` begins with
//! nothing.

use std::{
    fmt::Write,
    fs,
    io::{self, BufRead, ErrorKind, IsTerminal},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use levqor_runtime::{config::Env, postgres};

use crate::{cli::ResetArguments, output, state::DataDir, up::folders::Folders};

/// Removes the database and the secrets together, or nothing: a database without its secrets is useless. If the secrets may
/// belong to databases on the operator's own server, it removes nothing. It never touches that server.
pub(crate) async fn reset(env: &Env, arguments: &ResetArguments) -> anyhow::Result<()> {
    let data = DataDir::find(env)?;
    let nothing = format!("there is nothing to remove in {}", data.path().display());
    if !data.path().is_dir() {
        return output::lines(&nothing);
    }
    // The lock is held until the end, so that no mesh starts meanwhile.
    let _lock = data.lock().await.context("nothing was removed")?;
    let folders = Folders::find(data.path())?;
    let mut clusters = vec![folders.cluster, data.path().join("postgres")];
    clusters.dedup();
    clusters.retain(|folder| folder.exists());
    let uploads = Some(data.uploads()).filter(|folder| folder.exists());
    let files: Vec<PathBuf> = data.own_files().into_iter().filter(|path| path.exists()).collect();
    if clusters.is_empty() && files.is_empty() && uploads.is_none() {
        return output::lines(&nothing);
    }
    let secrets = data.secrets_file();
    let named =
        ["LEVQOR_DATABASE_URL", "LEVQOR_DATABASE_URL_FILE"].iter().any(|name| env.get(name).is_some());
    if secrets.exists() && (named || clusters.is_empty()) {
        bail!(
            "nothing was removed: {} holds the address key of the databases on the server that LEVQOR_DATABASE_URL names; \
             to start again, remove those databases, and then that file",
            secrets.display()
        );
    }
    // As root, this would follow a link that another user put there.
    if let Some(link) = clusters.iter().chain(&uploads).find(|folder| folder.is_symlink()) {
        bail!(
            "nothing was removed: {} is a link; remove it and the folder that it names yourself",
            link.display()
        );
    }
    if !arguments.yes && !is_meant(&clusters, uploads.as_ref(), &files)? {
        bail!("nothing was removed");
    }
    for folder in &clusters {
        // A `levqor up` that was killed leaves its PostgreSQL running.
        postgres::stop_in(folder)
            .with_context(|| format!("nothing was removed from {}", folder.display()))?;
        remove(folder, fs::remove_dir_all(folder))?;
    }
    if let Some(folder) = &uploads {
        remove(folder, fs::remove_dir_all(folder))?;
    }
    // The secrets are removed last: without a database they are harmless.
    for file in files.iter().rev() {
        remove(file, fs::remove_file(file))?;
    }
    output::lines("removed; the next `levqor up` begins with an empty database and new secrets")
}

/// Asks the person at the terminal to confirm.
fn is_meant(clusters: &[PathBuf], uploads: Option<&PathBuf>, files: &[PathBuf]) -> anyhow::Result<bool> {
    let mut text = String::from("This removes for good:\n");
    let kinds = clusters.iter().map(|path| (path, "the database, with all orders, events and mails in it"));
    let kinds = kinds.chain(uploads.map(|path| (path, "the files of orders")));
    for (path, what) in kinds.chain(files.iter().map(|path| (path, "made by `levqor up`"))) {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {}   {what}", path.display());
    }
    output::lines(&text)?;
    if !io::stdin().is_terminal() {
        bail!("nothing was removed: there is no terminal to ask; say `levqor reset --yes` if it is meant");
    }
    output::lines("Type yes to remove it:")?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).context("cannot read the answer")?;
    Ok(answer.trim() == "yes")
}

fn remove(path: &Path, removed: io::Result<()>) -> anyhow::Result<()> {
    match removed {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}
