//! Redacts errors: it writes the kind of each error in the chain, and no text of other libraries, which quote their input.

use std::{
    error::Error,
    fmt::{self, Write},
    io,
};

use tonic_types::StatusExt;

use crate::{db::DbError, token::TokenError};

/// The most errors of a chain that are written.
const MOST_LINKS: usize = 8;

/// An error and its sources: `the database refused a statement: SQLSTATE 42P01`.
#[must_use]
pub fn error(error: &(dyn Error + 'static)) -> String {
    let mut links = Vec::new();
    let mut next = Some(error);
    while let Some(link) = next {
        let told = describe(link);
        // A transparent error has the same text as its source.
        if links.last() != Some(&told) {
            links.push(told);
        }
        // The facts of the database's own error are already written.
        let said = matches!(link.downcast_ref(), Some(sqlx::Error::Database(_)));
        next = link.source().filter(|_| links.len() < MOST_LINKS && !said);
    }
    links.join(": ")
}

/// One error of the chain. The texts of our own errors hold nothing personal (`tests/style.rs` checks it), so they are written.
/// Of other errors only the safe facts are written.
fn describe(error: &(dyn Error + 'static)) -> String {
    if let Some(error) = error.downcast_ref::<DbError>() {
        return error.to_string();
    }
    if let Some(error) = error.downcast_ref::<TokenError>() {
        return error.to_string();
    }
    if let Some(error) = error.downcast_ref::<sqlx::Error>() {
        return database(error);
    }
    if let Some(error) = error.downcast_ref::<io::Error>() {
        return error.kind().to_string();
    }
    if let Some(status) = error.downcast_ref::<tonic::Status>() {
        let reason = status.get_error_details().error_info().map(|info| info.reason.clone());
        return format!("gRPC {:?} {}", status.code(), reason.unwrap_or_default()).trim_end().to_owned();
    }
    if let Some(error) = error.downcast_ref::<reqwest::Error>() {
        return http(error);
    }
    if let Some(error) = error.downcast_ref::<serde_json::Error>() {
        return format!("JSON {:?} error at {}:{}", error.classify(), error.line(), error.column());
    }
    variant(error)
}

fn database(error: &sqlx::Error) -> String {
    let sqlx::Error::Database(database) = error else { return variant(error) };
    let mut text = format!("SQLSTATE {}", database.code().unwrap_or_default());
    for (what, name) in [("table", database.table()), ("constraint", database.constraint())] {
        if let Some(name) = name {
            // Writing to a string cannot fail.
            let _ = write!(text, ", {what} {name}");
        }
    }
    text
}

fn http(error: &reqwest::Error) -> String {
    let kind = match () {
        () if error.is_timeout() => "timed out",
        () if error.is_connect() => "cannot connect",
        () if error.is_status() => "refused",
        () if error.is_decode() => "answer cannot be read",
        () => "failed",
    };
    let status = error.status().map(|status| format!(" with {}", status.as_u16())).unwrap_or_default();
    format!("HTTP request {kind}{status}")
}

/// The name at the start of an error's `Debug`: a type or a variant. It ends where values begin.
fn variant(error: &(dyn Error + 'static)) -> String {
    struct Name(String);
    impl Write for Name {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            for c in text.chars() {
                if !c.is_ascii_alphanumeric() && c != '_' && c != ':' {
                    return Err(fmt::Error);
                }
                self.0.push(c);
            }
            Ok(())
        }
    }
    let mut name = Name(String::new());
    // It fails at the first character that is not part of a name: the name ends there.
    let _ = write!(name, "{error:?}");
    let is_name = name.0.chars().next().is_some_and(char::is_alphabetic);
    if is_name { name.0 } else { "an error without a name".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Theirs {
        #[error("cannot find {0}")]
        NotFound(String),
    }

    #[test]
    fn texts_of_other_libraries_are_left_out_and_kinds_are_written() {
        let theirs = Theirs::NotFound("alice@example.com".to_owned());
        assert_eq!(error(&theirs), "NotFound");
        let boxed: Box<dyn Error> = "alice cannot be found".into();
        assert_eq!(error(&*boxed), "an error without a name");
        let io = io::Error::other("alice");
        assert_eq!(error(&io), "other error");
        let json = serde_json::from_str::<u8>("\"alice\"").expect_err("no number");
        assert_eq!(error(&json), "JSON Data error at 1:7");
    }

    #[test]
    fn the_chain_of_a_database_error_is_described() {
        let told = error(&DbError::from(sqlx::Error::PoolTimedOut));
        assert_eq!(told, "the database does not answer: PoolTimedOut");
    }
}
