//! Pages of lists: newest first or oldest first, by (time, id). A page token identifies its list: the RPC, the request's filter, and the
//! rows that the caller may see. A token for another list is refused (AIP-158).

use chrono::{DateTime, Utc};
use prost::{Message, Name};
use prost_reflect::{DynamicMessage, Value};
use ring::digest::{Context, SHA256};
use uuid::Uuid;

use crate::{access::methods, context::Scope, error::Violations};

const DEFAULT_SIZE: i64 = 50;
const MAX_SIZE: i64 = 200;
/// The number of hash bytes in a token.
const CHECK_BYTES: usize = 16;
/// The expected form, for violations.
const EXPECTED: &str = "expected the next_page_token of an earlier answer to the same request, in which only page_size may change";

/// The requested page of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    size: i64,
    /// The last row of the previous page.
    after: Option<(DateTime<Utc>, Uuid)>,
    /// The hash of the page's list.
    list: [u8; 32],
}

impl Page {
    /// Reads `page_size` and `page_token` of a list request. Zero means 50, too large means 200, and negative is a violation. A
    /// token for another list, another filter, or a caller who sees other rows is also a violation.
    pub fn parse<R: Message + Name>(violations: &mut Violations, request: &R, scope: &Scope) -> Option<Self> {
        Self::of_encoded(violations, &R::full_name(), &request.encode_to_vec(), scope)
    }

    fn of_encoded(violations: &mut Violations, request: &str, encoded: &[u8], scope: &Scope) -> Option<Self> {
        // The decoding cannot fail: the descriptors contain every request, and the bytes were just encoded.
        let descriptor = methods().pool().get_message_by_name(request)?;
        let mut filter = DynamicMessage::decode(descriptor, encoded).ok()?;
        let size = take(&mut filter, "page_size").and_then(|size| size.as_i32()).unwrap_or_default();
        let token = take(&mut filter, "page_token");
        let token = token.as_ref().and_then(Value::as_str).unwrap_or_default();

        let list = list(request, &filter.encode_to_vec(), scope);
        let size = match i64::from(size) {
            0 => Some(DEFAULT_SIZE),
            size if size < 0 => {
                violations.add("page_size", "expected 0 or more");
                None
            }
            size => Some(size.min(MAX_SIZE)),
        };
        let after = if token.is_empty() {
            Some(None)
        } else if let Some(after) = decode(token, &list) {
            Some(Some(after))
        } else {
            violations.add("page_token", EXPECTED);
            None
        };
        Some(Self { size: size?, after: after?, list })
    }

    /// The number of rows to fetch.
    #[must_use]
    pub fn limit(&self) -> i64 {
        self.size + 1
    }

    /// The time of the last row of the previous page, for `WHERE`.
    #[must_use]
    pub fn after_time(&self) -> Option<DateTime<Utc>> {
        self.after.map(|(time, _)| time)
    }

    /// The id of the last row of the previous page, for `WHERE`.
    #[must_use]
    pub fn after_id(&self) -> Option<Uuid> {
        self.after.map(|(_, id)| id)
    }

    /// Cuts the rows to the page's size. Returns the token of the next page; empty on the last page.
    pub fn cut<T>(&self, rows: &mut Vec<T>, key: impl Fn(&T) -> (DateTime<Utc>, Uuid)) -> String {
        let size = usize::try_from(self.size).unwrap_or(usize::MAX);
        if rows.len() <= size {
            return String::new();
        }
        rows.truncate(size);
        rows.last().map(key).map(|last| encode(last, &self.list)).unwrap_or_default()
    }
}

/// Removes a field from a message and returns it.
fn take(message: &mut DynamicMessage, field: &str) -> Option<Value> {
    let value = message.get_field_by_name(field)?.into_owned();
    message.clear_field_by_name(field);
    Some(value)
}

/// The hash that identifies a list: the request without its page fields, and the owner of the visible rows.
fn list(request: &str, filter: &[u8], scope: &Scope) -> [u8; 32] {
    let owner = scope.sub().map_or_else(|| "all".to_owned(), |sub| format!("sub:{sub}"));
    hash_of_parts([request.as_bytes(), filter, owner.as_bytes()])
}

/// SHA-256 over each part with its length, so that different lists of parts never give the same bytes.
pub(crate) fn hash_of_parts<const N: usize>(parts: [&[u8]; N]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// The position in the list, and a hash that binds it to the list. Every token has a different hash, so that a token does not
/// reveal its filter.
fn encode(position: (DateTime<Utc>, Uuid), list: &[u8; 32]) -> String {
    let (time, id) = position;
    let time = time.timestamp_micros().to_be_bytes();
    let check = hash_of_parts([list, &time, id.as_bytes()]);
    hex::encode([&time, id.as_bytes().as_slice(), &check[..CHECK_BYTES]].concat())
}

/// The position, if the token was made for this list.
fn decode(token: &str, list: &[u8; 32]) -> Option<(DateTime<Utc>, Uuid)> {
    let bytes = hex::decode(token).ok()?;
    let time = DateTime::from_timestamp_micros(i64::from_be_bytes(*bytes.first_chunk()?))?;
    let position = (time, Uuid::from_slice(bytes.get(8..24)?).ok()?);
    (encode(position, list) == token.to_ascii_lowercase()).then_some(position)
}

#[cfg(test)]
mod tests {
    use levqor_proto::billing::v1::{ListOrdersRequest, ListStripeEventsRequest};
    use prost_reflect::{Kind, ReflectMessage as _};

    use super::*;
    use crate::access::Method;

    fn rows() -> Vec<(DateTime<Utc>, Uuid)> {
        let time = DateTime::from_timestamp_micros(1_700_000_000_123_456).expect("instant");
        [1, 2, 3].map(|id| (time, Uuid::from_u128(id))).to_vec()
    }

    fn parse(request: &DynamicMessage, scope: &Scope) -> Result<Page, Vec<String>> {
        let mut violations = Violations::new();
        let name = request.descriptor().full_name().to_owned();
        let page = Page::of_encoded(&mut violations, &name, &request.encode_to_vec(), scope);
        let named =
            |error: crate::error::Invalid| error.0.into_iter().map(|violation| violation.field).collect();
        violations.finish(page).map_err(named)
    }

    /// The token that the first page of this request returns.
    fn token(request: &DynamicMessage, scope: &Scope) -> String {
        let mut first = request.clone();
        first.set_field_by_name("page_size", Value::I32(2));
        let token = parse(&first, scope).expect("a page").cut(&mut rows(), |row| *row);
        assert!(!token.is_empty());
        token
    }

    fn with_token(request: &DynamicMessage, token: &str) -> DynamicMessage {
        let mut next = request.clone();
        next.set_field_by_name("page_token", Value::String(token.to_owned()));
        next
    }

    fn lists() -> Vec<DynamicMessage> {
        let is_list = |method: &&Method| method.descriptor.input().get_field_by_name("page_token").is_some();
        methods().iter().filter(is_list).map(|list| DynamicMessage::new(list.descriptor.input())).collect()
    }

    /// Copies of the request, each with one of its filters set.
    fn filtered(request: &DynamicMessage) -> Vec<DynamicMessage> {
        let fields = request.descriptor();
        let filters = fields.fields().filter(|field| !["page_size", "page_token"].contains(&field.name()));
        let set = filters.map(|field| {
            let mut filtered = request.clone();
            let value = match field.kind() {
                Kind::Enum(_) => Value::EnumNumber(1),
                Kind::String => Value::String("x".to_owned()),
                Kind::Bool => Value::Bool(true),
                // A time.
                Kind::Message(of) => {
                    let mut time = DynamicMessage::new(of);
                    time.set_field_by_name("seconds", Value::I64(1));
                    Value::Message(time)
                }
                other => panic!("{field:?} filters by {other:?}: give it a value here"),
            };
            filtered.set_field(&field, value);
            filtered
        });
        set.collect()
    }

    #[test]
    fn a_token_leads_to_the_row_after_the_last() {
        let request = ListOrdersRequest { page_size: 2, ..Default::default() };
        let page = Page::parse(&mut Violations::new(), &request, &Scope::All).expect("page");
        let mut page_rows = rows();
        let page_token = page.cut(&mut page_rows, |row| *row);
        assert_eq!(page_rows, rows()[..2]);
        let next = ListOrdersRequest { page_token, ..request };
        let next = Page::parse(&mut Violations::new(), &next, &Scope::All).expect("page");
        assert_eq!(next.after, Some(rows()[1]));
        assert_eq!(next.cut(&mut page_rows, |row| *row), "");
    }

    #[test]
    fn a_page_token_is_refused_by_every_other_list_and_filter() {
        let lists = lists();
        assert!(lists.len() >= 5, "{}", lists.len());
        let all: Vec<_> =
            lists.iter().flat_map(|list| [filtered(list), vec![list.clone()]].concat()).collect();
        for of in &all {
            let token = token(of, &Scope::All);
            for used in &all {
                let page = parse(&with_token(used, &token), &Scope::All).map(|page| page.after);
                let expected =
                    if of == used { Ok(Some(rows()[1])) } else { Err(vec!["page_token".to_owned()]) };
                assert_eq!(page, expected, "of {of:?}, used with {used:?}");
            }
        }
    }

    #[test]
    fn a_page_token_is_refused_for_a_caller_who_sees_other_rows() {
        let own = |sub: &str| Scope::Own { sub: sub.to_owned(), email: None };
        let request = &lists()[0];
        for of in [own("ada"), own("bob"), own("all"), Scope::All] {
            let next = with_token(request, &token(request, &of));
            for used in [own("ada"), own("bob"), own("all"), Scope::All] {
                assert_eq!(parse(&next, &used).is_ok(), of == used, "of {of:?}, used as {used:?}");
            }
        }
    }

    #[test]
    fn the_size_may_change_from_page_to_page() {
        for list in lists() {
            let mut next = with_token(&list, &token(&list, &Scope::All));
            next.set_field_by_name("page_size", Value::I32(7));
            assert_eq!(parse(&next, &Scope::All).expect("a page").size, 7);
        }
    }

    #[test]
    fn a_token_that_was_changed_or_made_elsewhere_is_refused() {
        let request = &lists()[0];
        let token = token(request, &Scope::All);
        for at in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[at] = if changed[at] == b'0' { b'1' } else { b'0' };
            let changed = String::from_utf8(changed).expect("ASCII");
            assert!(parse(&with_token(request, &changed), &Scope::All).is_err(), "{changed}");
        }
        for other in [&token[..48], &token[..token.len() - 2], &format!("{token}00"), "zz", "é"] {
            assert!(parse(&with_token(request, other), &Scope::All).is_err(), "{other}");
        }
    }

    #[test]
    fn sizes_are_limited_and_invalid_fields_are_violations() {
        let mut violations = Violations::new();
        let of = |page_size| ListStripeEventsRequest { page_size, ..Default::default() };
        assert_eq!(Page::parse(&mut violations, &of(0), &Scope::All).expect("page").size, 50);
        assert_eq!(Page::parse(&mut violations, &of(9_999), &Scope::All).expect("page").size, 200);
        let invalid_request = ListStripeEventsRequest { page_token: "zz".to_owned(), ..of(-1) };
        assert!(Page::parse(&mut violations, &invalid_request, &Scope::All).is_none());
        let invalid = violations.finish(None::<()>).expect_err("two violations");
        assert_eq!(
            invalid.0.iter().map(|v| v.field.as_str()).collect::<Vec<_>>(),
            ["page_size", "page_token"]
        );
    }
}
