//! The evidence of a data request as a ZIP: one file for each part, and `manifest.json` with the hash of each. It is small,
//! because it contains no data of the person.

use std::io::{Cursor, Write};

use chrono::{DateTime, Utc};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use zip::{ZipWriter, write::SimpleFileOptions};

use super::{archive::ArchiveError, data_request::DataRequestId};

/// A file of the evidence.
pub(crate) struct EvidenceFile {
    pub(crate) path: &'static str,
    /// Its content.
    pub(crate) description: &'static str,
    pub(crate) content: Value,
}

/// Packs the files. The manifest names the services that gave no answer: their data is not in it.
pub(crate) fn pack(
    id: DataRequestId,
    made: DateTime<Utc>,
    files: &[EvidenceFile],
    unanswered: &[String],
) -> Result<Vec<u8>, ArchiveError> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let mut listed = Vec::new();
    for file in files {
        let text = format!("{:#}\n", file.content);
        put(&mut zip, file.path, &text)?;
        listed.push(json!({
            "path": file.path,
            "description": file.description,
            "bytes": text.len(),
            "sha256": hex::encode(digest(&SHA256, text.as_bytes())),
        }));
    }
    let manifest = json!({
        "data_request_id": id.to_string(),
        "make_time": made.to_rfc3339(),
        "files": listed,
        "unanswered": unanswered,
    });
    put(&mut zip, "manifest.json", &format!("{manifest:#}\n"))?;
    Ok(zip.finish()?.into_inner())
}

fn put(zip: &mut ZipWriter<Cursor<Vec<u8>>>, path: &str, text: &str) -> Result<(), ArchiveError> {
    zip.start_file(path, SimpleFileOptions::default())?;
    zip.write_all(text.as_bytes())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn the_manifest_has_the_hash_of_each_file() {
        let id = DataRequestId::new_at(DateTime::UNIX_EPOCH);
        let file = EvidenceFile { path: "a.json", description: "A.", content: json!({"a": 1}) };
        let bytes = pack(id, DateTime::UNIX_EPOCH, &[file], &["billing".to_owned()]).expect("packed");
        let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).expect("a ZIP");
        let mut read = |path: &str| {
            let mut text = String::new();
            zip.by_name(path).expect(path).read_to_string(&mut text).expect("text");
            text
        };
        let text = read("a.json");
        let manifest: Value = serde_json::from_str(&read("manifest.json")).expect("JSON");
        assert_eq!(manifest["files"][0]["sha256"], hex::encode(digest(&SHA256, text.as_bytes())));
        assert_eq!(manifest["files"][0]["bytes"], text.len());
        assert_eq!(manifest["unanswered"], json!(["billing"]));
    }
}
