//! Lists by pages: newest first or oldest first, by (time, id), with a token that only we can read.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::error::Violations;

const DEFAULT_SIZE: i64 = 50;
const MAX_SIZE: i64 = 200;

/// Which page of a list is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// How many rows; fetch one more to learn whether there is a next page.
    pub size: i64,
    /// The last row of the page before.
    pub after: Option<(DateTime<Utc>, Uuid)>,
}

impl Page {
    /// Reads `page_size` and `page_token` of a request. Zero means 50, too large means 200, negative is a violation.
    pub fn parse(violations: &mut Violations, page_size: i32, page_token: &str) -> Option<Self> {
        let size = match i64::from(page_size) {
            0 => Some(DEFAULT_SIZE),
            size if size < 0 => {
                violations.add("page_size", "expected 0 or more");
                None
            }
            size => Some(size.min(MAX_SIZE)),
        };
        let after = if page_token.is_empty() {
            Some(None)
        } else if let Some(after) = decode(page_token) {
            Some(Some(after))
        } else {
            violations.add("page_token", "expected the next_page_token of an earlier answer");
            None
        };
        Some(Self { size: size?, after: after? })
    }

    /// How many rows to fetch.
    #[must_use]
    pub fn limit(&self) -> i64 {
        self.size + 1
    }

    /// The time of the last row of the page before, for `WHERE`.
    #[must_use]
    pub fn after_time(&self) -> Option<DateTime<Utc>> {
        self.after.map(|(time, _)| time)
    }

    /// The id of the last row of the page before, for `WHERE`.
    #[must_use]
    pub fn after_id(&self) -> Option<Uuid> {
        self.after.map(|(_, id)| id)
    }
}

/// Cuts the rows to the page's size; the token of the next page, or nothing on the last one.
pub fn next_page_token<T>(
    rows: &mut Vec<T>,
    page: Page,
    key: impl Fn(&T) -> (DateTime<Utc>, Uuid),
) -> String {
    let size = usize::try_from(page.size).unwrap_or(usize::MAX);
    if rows.len() <= size {
        return String::new();
    }
    rows.truncate(size);
    rows.last().map(key).map(encode).unwrap_or_default()
}

fn encode((time, id): (DateTime<Utc>, Uuid)) -> String {
    hex::encode([time.timestamp_micros().to_be_bytes().as_slice(), id.as_bytes()].concat())
}

fn decode(token: &str) -> Option<(DateTime<Utc>, Uuid)> {
    let bytes = hex::decode(token).ok()?;
    let (time, id) = bytes.split_at_checked(8)?;
    let time = DateTime::from_timestamp_micros(i64::from_be_bytes(time.try_into().ok()?))?;
    Some((time, Uuid::from_slice(id).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_leads_to_the_row_after_the_last() {
        let time = DateTime::from_timestamp_micros(1_700_000_000_123_456).expect("instant");
        let mut rows =
            vec![(time, Uuid::from_u128(1)), (time, Uuid::from_u128(2)), (time, Uuid::from_u128(3))];
        let page = Page { size: 2, after: None };
        let token = next_page_token(&mut rows, page, |row| *row);
        assert_eq!(rows.len(), 2);
        let next = Page::parse(&mut Violations::new(), 2, &token).expect("page");
        assert_eq!(next.after, Some((time, Uuid::from_u128(2))));
        assert_eq!(next_page_token(&mut rows, page, |row| *row), "");
    }

    #[test]
    fn sizes_are_coerced_and_nonsense_is_named() {
        let mut violations = Violations::new();
        assert_eq!(Page::parse(&mut violations, 0, "").expect("page").size, 50);
        assert_eq!(Page::parse(&mut violations, 9_999, "").expect("page").size, 200);
        assert!(Page::parse(&mut violations, -1, "zz").is_none());
        let invalid = violations.finish(None::<()>).expect_err("two violations");
        assert_eq!(
            invalid.0.iter().map(|v| v.field.as_str()).collect::<Vec<_>>(),
            ["page_size", "page_token"]
        );
    }
}
