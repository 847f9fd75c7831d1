//! The archive of a copy: a ZIP that is encrypted while it is written, in constant memory. Its writer takes the finished bytes
//! from time to time. It ends with `manifest.json`, which has the size and the hash of every file, and with `index.html`.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
};

use age::{Encryptor, Recipient, x25519};
use ring::digest::{Context, SHA256};
use serde::Serialize;
use serde_json::{Map, Value};
use zip::{
    ZipWriter,
    result::ZipError,
    write::{SimpleFileOptions, StreamWriter},
};

/// The archive cannot be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArchiveError {
    /// The ZIP.
    #[error("the archive cannot be written")]
    Zip(#[from] ZipError),
    /// The encryption.
    #[error("the archive cannot be encrypted")]
    Age(#[from] age::EncryptError),
    /// The bytes.
    #[error("the bytes of the archive cannot be kept")]
    Io(#[from] io::Error),
}

/// The bytes that are ready.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A file of the archive, as the manifest lists it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Entry {
    pub(crate) path: String,
    /// Its content.
    pub(crate) description: String,
    /// How many rows. None for a file that is not made of rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rows: Option<i64>,
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
}

/// An archive that is being written.
pub(crate) struct Archive {
    zip: ZipWriter<StreamWriter<age::stream::StreamWriter<Sink>>>,
    sink: Sink,
    open: Option<(Entry, Context)>,
    entries: Vec<Entry>,
}

impl Archive {
    /// Begins an archive for this recipient.
    pub(crate) fn begin(recipient: &x25519::Recipient) -> Result<Self, ArchiveError> {
        let sink = Sink::default();
        let encryptor = Encryptor::with_recipients(std::iter::once(recipient as &dyn Recipient))?;
        let zip = ZipWriter::new_stream(encryptor.wrap_output(sink.clone())?);
        Ok(Self { zip, sink, open: None, entries: Vec::new() })
    }

    /// Begins a file. `rows`: it is made of rows, which are counted.
    pub(crate) fn start(&mut self, path: &str, description: &str, rows: bool) -> Result<(), ArchiveError> {
        self.end();
        self.zip.start_file(path, SimpleFileOptions::default().large_file(true))?;
        let entry = Entry {
            path: path.to_owned(),
            description: description.to_owned(),
            rows: rows.then_some(0),
            bytes: 0,
            sha256: String::new(),
        };
        self.open = Some((entry, Context::new(&SHA256)));
        Ok(())
    }

    /// Writes bytes of the file that began last.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        self.zip.write_all(bytes)?;
        if let Some((entry, hash)) = &mut self.open {
            entry.bytes += bytes.len() as u64;
            hash.update(bytes);
        }
        Ok(())
    }

    /// Counts a row of the file that began last. Returns how many there were before.
    pub(crate) fn count_row(&mut self) -> i64 {
        let rows = self.open.as_mut().and_then(|(entry, _)| entry.rows.as_mut());
        rows.map_or(0, |rows| {
            *rows += 1;
            *rows - 1
        })
    }

    fn end(&mut self) {
        if let Some((mut entry, hash)) = self.open.take() {
            entry.sha256 = hex::encode(hash.finish());
            self.entries.push(entry);
        }
    }

    /// The files so far.
    pub(crate) fn entries(&mut self) -> &[Entry] {
        self.end();
        &self.entries
    }

    /// The bytes that are ready, if there are at least this many.
    pub(crate) fn take(&mut self, least: usize) -> Option<Vec<u8>> {
        let mut ready = self.sink.0.lock().unwrap_or_else(PoisonError::into_inner);
        (ready.len() >= least).then(|| std::mem::take(&mut *ready))
    }

    /// Ends the archive. Returns the last bytes.
    pub(crate) fn finish(self) -> Result<Vec<u8>, ArchiveError> {
        let sink = self.sink;
        self.zip.finish()?.into_inner().finish()?;
        let mut ready = sink.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(std::mem::take(&mut *ready))
    }
}

/// A row as a line of CSV (RFC 4180). A text that a spreadsheet would run as a formula gets an apostrophe before it.
pub(crate) fn csv_line<'v>(values: impl Iterator<Item = &'v Value>) -> String {
    let cells: Vec<_> = values.map(csv_cell).collect();
    format!("{}\r\n", cells.join(","))
}

fn csv_cell(value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let is_formula = value.is_string() && text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if is_formula { format!("'{text}") } else { text };
    let needs_quotes = text.contains([',', '"', '\n', '\r']);
    if needs_quotes { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

/// The names of the columns, as the first line of CSV.
pub(crate) fn csv_head(row: &Map<String, Value>) -> String {
    let names: Vec<_> = row.keys().map(|name| Value::from(name.as_str())).collect();
    csv_line(names.iter())
}

/// The page that leads through the archive.
pub(crate) fn index(made: &str, entries: &[Entry]) -> String {
    let rows = |entry: &Entry| entry.rows.map(|rows| rows.to_string()).unwrap_or_default();
    let line = |entry: &Entry| {
        format!(
            "<tr><td><a href=\"{path}\">{path}</a></td><td>{about}</td><td>{rows}</td></tr>\n",
            path = escaped(&entry.path),
            about = escaped(&entry.description),
            rows = rows(entry)
        )
    };
    let lines: String = entries.iter().map(line).collect();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>Your data at Levqor</title>\n\
         <style>body{{font:16px/1.5 sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}}\
         td,th{{text-align:left;padding:.3rem .8rem .3rem 0;border-bottom:1px solid #ccc}}</style>\n</head>\n<body>\n\
         <h1>Your data at Levqor</h1>\n<p>This is a copy of the personal data that we held of you on {made}. Each table comes \
         twice: as JSON for programs, and as CSV for spreadsheets. <code>manifest.json</code> has the size and the SHA-256 hash of \
         every file.</p>\n<table>\n<tr><th>File</th><th>What it holds</th><th>Rows</th></tr>\n{lines}</table>\n</body>\n</html>\n",
        made = escaped(made)
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Read};

    use super::*;

    #[test]
    fn an_archive_is_a_zip_that_only_the_key_opens() {
        let key = x25519::Identity::generate();
        let mut archive = Archive::begin(&key.to_public()).expect("begun");
        archive.start("billing/orders.json", "Orders.", true).expect("a file");
        let mut bytes = Vec::new();
        for n in 0..1_000 {
            assert_eq!(archive.count_row(), n);
            archive.write(format!("{{\"secret\": {n}}}\n").as_bytes()).expect("written");
            bytes.extend(archive.take(100).unwrap_or_default());
        }
        assert_eq!(
            archive.entries().iter().map(|it| (it.rows, it.bytes)).collect::<Vec<_>>(),
            [(Some(1_000), 15_890)]
        );
        bytes.extend(archive.finish().expect("finished"));
        assert!(
            !bytes.windows(6).any(|window| window == b"secret" || window == b"orders"),
            "it is encrypted"
        );
        let decryptor = age::Decryptor::new(bytes.as_slice()).expect("an age file");
        let mut plain = Vec::new();
        let keys = std::iter::once(&key as &dyn age::Identity);
        decryptor.decrypt(keys).expect("the key").read_to_end(&mut plain).expect("read");
        let mut zip = zip::ZipArchive::new(Cursor::new(plain)).expect("a ZIP");
        let mut text = String::new();
        zip.by_name("billing/orders.json").expect("the file").read_to_string(&mut text).expect("text");
        assert!(text.ends_with("{\"secret\": 999}\n"));
    }

    #[test]
    fn csv_is_quoted_and_runs_nothing() {
        let row = serde_json::json!({"a": "x, \"y\"", "b": "=1+1", "c": -1, "d": null, "e": ["z"]});
        let row = row.as_object().expect("an object");
        assert_eq!(csv_head(row), "a,b,c,d,e\r\n");
        assert_eq!(csv_line(row.values()), "\"x, \"\"y\"\"\",'=1+1,-1,,\"[\"\"z\"\"]\"\r\n");
    }

    #[test]
    fn the_page_shows_every_file_and_runs_nothing() {
        let entry = Entry {
            path: "files/<script>.txt".to_owned(),
            description: "A file".to_owned(),
            rows: None,
            bytes: 1,
            sha256: String::new(),
        };
        let page = index("1 May 2027", &[entry]);
        assert!(page.contains("files/&lt;script&gt;.txt") && !page.contains("<script>"));
    }
}
