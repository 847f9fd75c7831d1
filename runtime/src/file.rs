//! Files that people send: makes their names harmless, and finds their type by the content. Programs are refused.

use infer::MatcherType;

/// The first bytes of a file, which decide its type.
pub const HEAD_BYTES: usize = 8 << 10;
/// The most characters of a name, and of the ending that a shortened name keeps.
const LONGEST_NAME: usize = 120;
const LONGEST_ENDING: usize = 12;

/// Endings of files that a computer runs when they are opened. Their content may be plain text, so the type does not show it.
const RUN_WHEN_OPENED: &[&str] = &[
    "apk", "app", "bat", "cmd", "com", "cpl", "dll", "dmg", "elf", "exe", "hta", "iso", "jar", "js", "jse",
    "lnk", "msi", "msp", "pif", "ps1", "psm1", "reg", "run", "scr", "sh", "vb", "vbe", "vbs", "wsf", "wsh",
];

/// The file is a program, or runs when it is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the file is a program, or runs when it is opened")]
pub struct Executable;

/// Makes a name harmless: returns the last part of a path, without characters that could mislead a file system or a reader.
/// Refuses the ending of a file that runs when it is opened.
pub fn harmless_name(name: &str) -> Result<String, Executable> {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let kept = last.chars().filter(|c| !is_invisible(*c));
    let kept: String = kept.map(|c| if "<>:\"|?*".contains(c) { '_' } else { c }).collect();
    let kept = kept.trim_matches(|c: char| c == '.' || c.is_whitespace());
    let ending = kept.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    if ending.as_deref().is_some_and(|ending| RUN_WHEN_OPENED.contains(&ending)) {
        return Err(Executable);
    }
    let (stem, ending) = match kept.rsplit_once('.') {
        Some((stem, ending)) if ending.chars().count() <= LONGEST_ENDING => (stem, Some(ending)),
        _ => (kept, None),
    };
    let room = LONGEST_NAME - ending.map_or(0, |ending| ending.chars().count() + 1);
    let stem: String = stem.chars().take(room).collect();
    let name = ending.map_or_else(|| stem.clone(), |ending| format!("{stem}.{ending}"));
    Ok(if name.is_empty() { "file".to_owned() } else { name })
}

/// Whether this is a control character, or a character that changes the direction of text or has no width.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Finds the type of a file by the beginning of its content. Refuses programs.
///
/// HTML, SVG and other text that a browser would run has the type of plain text.
pub fn content_type(head: &[u8]) -> Result<&'static str, Executable> {
    if infer::is_app(head) || head.starts_with(b"MZ") || head.starts_with(b"#!") {
        return Err(Executable);
    }
    let known = infer::get(head).filter(|kind| {
        matches!(
            kind.matcher_type(),
            MatcherType::Image
                | MatcherType::Audio
                | MatcherType::Video
                | MatcherType::Doc
                | MatcherType::Book
                | MatcherType::Archive
                | MatcherType::Font
        )
    });
    if let Some(kind) = known {
        return Ok(kind.mime_type());
    }
    Ok(if is_text(head) { "text/plain; charset=utf-8" } else { "application/octet-stream" })
}

/// Whether the beginning of a file is text in UTF-8. The last character may be incomplete.
fn is_text(head: &[u8]) -> bool {
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    !text.chars().any(|c| c.is_control() && !"\t\r\n\u{c}".contains(c))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_keeps_its_harmless_characters() {
        for (given, harmless) in [
            ("brief.pdf", "brief.pdf"),
            ("../../etc/passwd", "passwd"),
            ("C:\\Users\\ada\\brief.docx", "brief.docx"),
            ("a\u{202e}fdp.txt", "afdp.txt"),
            ("a\r\nb: c.txt", "ab_ c.txt"),
            (" .hidden. ", "hidden"),
            ("...", "file"),
            ("", "file"),
            ("Übersicht 2026.xlsx", "Übersicht 2026.xlsx"),
        ] {
            assert_eq!(harmless_name(given).as_deref(), Ok(harmless), "{given:?}");
        }
    }

    #[test]
    fn a_file_that_runs_when_it_is_opened_is_refused_by_its_ending() {
        for name in ["a.exe", "a.EXE", "a.pdf.sh", "folder/a.ps1", "a.js.", "a.b\u{200b}at"] {
            assert_eq!(harmless_name(name), Err(Executable), "{name:?}");
        }
    }

    #[test]
    fn a_program_is_refused_by_its_content() {
        let elf = [&b"\x7fELF\x02\x01\x01\0"[..], &[0; 60]].concat();
        let mach = [&b"\xcf\xfa\xed\xfe"[..], &[0; 60]].concat();
        for head in [
            &elf[..],
            &mach,
            b"MZ\x90\0",
            b"#!/bin/sh\nrm -rf /",
            b"\xca\xfe\xba\xbe\0\0\0\x34",
            b"\0asm\x01\0\0\0",
        ] {
            assert_eq!(content_type(head), Err(Executable), "{head:?}");
        }
    }

    #[test]
    fn the_content_decides_the_type() {
        for (head, kind) in [
            (&b"%PDF-1.7\n%\xe2\xe3"[..], "application/pdf"),
            (b"\x89PNG\r\n\x1a\n", "image/png"),
            (b"PK\x03\x04rest of an archive", "application/zip"),
            (b"<html><script>alert(1)</script>", "text/plain; charset=utf-8"),
            (b"<?xml version=\"1.0\"?><svg/>", "text/plain; charset=utf-8"),
            (b"name,amount\n\xc3", "text/plain; charset=utf-8"),
            (b"\x01\x02\x03", "application/octet-stream"),
        ] {
            assert_eq!(content_type(head), Ok(kind), "{head:?}");
        }
    }

    proptest! {
        #[test]
        fn no_name_leaves_its_folder_or_misleads(name in ".*") {
            if let Ok(harmless) = harmless_name(&name) {
                prop_assert!(!harmless.is_empty() && harmless.chars().count() <= LONGEST_NAME);
                prop_assert!(!harmless.contains(['/', '\\', '\0', '\n']) && !harmless.starts_with('.'));
                prop_assert!(!harmless.chars().any(is_invisible));
            }
        }
    }
}
